-- A database of layout 1, as the first version made it, dumped by SQLite. Its secret is the-secret-of-a-test-and-of-nothing-else.
PRAGMA application_id = 1131570529;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE "c_access_tokens" (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
);
INSERT INTO "c_access_tokens" VALUES('b9bcbd67c19bfc7ff1e1f3e3c0dce0bbbf786fceb489fc0fb1bc2795f362085b','{"kind":"access_token","grant_id":"a-grant","session_id":null,"subject":"1299b3214b99d7ea872c677ac0fd2687d7b5cefc365b398d690ddf53ec601666","grant":{"client_id":"app","subject":"1299b3214b99d7ea872c677ac0fd2687d7b5cefc365b398d690ddf53ec601666","scope":["openid","offline_access"],"username":"alice","auth_time":1795443582.8746405,"granted_at":1795443582.87464,"grant_id":"a-grant"},"scope":["openid"],"issued_at":1795443582.8746932,"audience":[],"claims":{}}',859199034829715,253402300799.0,253402300799.0,NULL,1);
CREATE TABLE "c_authorization_codes" (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
);
CREATE TABLE "c_clients" (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
);
CREATE TABLE "c_refresh_tokens" (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
);
INSERT INTO "c_refresh_tokens" VALUES('45c867e20322f4ec2984c04a917e887581cd8e6f63bc2e3019dc11f62ea6b3c8','{"kind":"refresh_token","grant_id":"a-grant","session_id":null,"subject":"1299b3214b99d7ea872c677ac0fd2687d7b5cefc365b398d690ddf53ec601666","grant":{"client_id":"app","subject":"1299b3214b99d7ea872c677ac0fd2687d7b5cefc365b398d690ddf53ec601666","scope":["openid","offline_access"],"username":"alice","auth_time":1795443582.8746405,"granted_at":1795443582.87464,"grant_id":"a-grant"},"scope":["openid","offline_access"],"issued_at":1795443582.8748195,"audience":[],"claims":{}}',736454708918100,253402300799.0,253402300799.0,NULL,1);
CREATE TABLE "c_sessions" (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
);
CREATE TABLE "c_signing_keys" (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
);
INSERT INTO "c_signing_keys" VALUES('keyring','{"issuer":"http://localhost:8400","keys":[{"kid":"fPBjVGFDRIwLx8Zenp6mBsUTrqHTghTyXXJ2gvQfe3M","alg":"ES256","state":"active","created_at":1795443582.8329256,"retired_at":null,"public":{"crv":"P-256","x":"sigu1eawFjEv7R7xL8qJhOWIkERhfhqAHNW2yeyXaHU","y":"-P9B-qZq-5ihL6vPywnTqO_QwxykBPDsaATw5TuqLEI","kty":"EC"},"sealed":"z_dEuYml_0uj9Hc0sX4VrbPSdwkKn-3YGTqZrAym2XTgfuP--OXY7MMrssoDvSONcVWmMonxQkCfyFLWeqPXkvcf_KGVVuQyARVkGTbTqUFfpOFitippy8_sI6usGUdX2CmK-zv80bU2Z1L36tBWHUZzy3uEU1-QRXLledk4NpAlS2M1Mic1Dhc2SGASBtt5KpWujbvi1q0x_eKaA4gz8glKipiePRqaEi3_JkWvZqjuq4HY2OgxnxoJqeD79qi_oCqhajSQZgTx1cUUxlI4cedGFsZh"},{"kid":"QDZxsJMy6Zo4eRb5fafxuZlyZiEwZKdfu9li9fA9SrM","alg":"ES256","state":"next","created_at":1795443582.8333259,"retired_at":null,"public":{"crv":"P-256","x":"Hy8w3gjcrEOJsiA33y4ExMUX3isowPWKXMejHFU8Ba4","y":"8lpv34hIzFdn_sESN9VgnVtX-vLFQph_OPo0lqXlivc","kty":"EC"},"sealed":"QK9PqGnpV8Qt9XakmHbm_Suu4HBsDDQVRX5Qm4uW2yl8VRYcIbbsHkw99BxNs8YrQSQLQ-03cfYotMlrV6OeuJsIRVWbX_zWxIorlBkPCl9wY9J8e5LBpcVEwquUN9KguNTP67kudH7E0PVqGqhf_bsyvfChyVz4miUP0_0r45aPNCNp5v5AVPM6XkyeOGAq7-CJlpdsnscfxYle4Fzws0xznIlRDJMdYQsKh8DQnp6BX5KyXgtODwNdAhLgh-yTZETCglIfr2qvOOHy_0xfIGMs3LdW"}]}',3632443768148114,253402300799.0,253402300799.0,NULL,1);
CREATE TABLE "c_users" (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
);
INSERT INTO "c_users" VALUES('carol','{"username":"carol","subject":"fcf34798787c741028c33d00db6b563725633e07a4a4d3b40b11633b6bebda22","password_hash":"$argon2id$v=19$m=19456,t=2,p=1$IPGc7qdTg12/Slc1xIv13Q$q7nrI2zNmJj6YtTMTj1DiFnqRYAvI42Q0pqFzt0RNbo","claims":{"name":"Carol"},"disabled":false}',359340470383297,253402300799.0,253402300799.0,NULL,1);
CREATE TABLE leases (name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL);
CREATE INDEX "i_signing_keys" ON "c_signing_keys" (keep_until);
CREATE INDEX "i_clients" ON "c_clients" (keep_until);
CREATE INDEX "i_users" ON "c_users" (keep_until);
CREATE INDEX "i_users.subject" ON "c_users" (json_extract(value, '$.subject'));
CREATE INDEX "i_authorization_codes" ON "c_authorization_codes" (keep_until);
CREATE INDEX "i_authorization_codes.grant_id" ON "c_authorization_codes" (json_extract(value, '$.grant_id'));
CREATE INDEX "i_authorization_codes.session_id" ON "c_authorization_codes" (json_extract(value, '$.session_id'));
CREATE INDEX "i_authorization_codes.subject" ON "c_authorization_codes" (json_extract(value, '$.subject'));
CREATE INDEX "i_access_tokens" ON "c_access_tokens" (keep_until);
CREATE INDEX "i_access_tokens.grant_id" ON "c_access_tokens" (json_extract(value, '$.grant_id'));
CREATE INDEX "i_access_tokens.session_id" ON "c_access_tokens" (json_extract(value, '$.session_id'));
CREATE INDEX "i_access_tokens.subject" ON "c_access_tokens" (json_extract(value, '$.subject'));
CREATE INDEX "i_refresh_tokens" ON "c_refresh_tokens" (keep_until);
CREATE INDEX "i_refresh_tokens.grant_id" ON "c_refresh_tokens" (json_extract(value, '$.grant_id'));
CREATE INDEX "i_refresh_tokens.session_id" ON "c_refresh_tokens" (json_extract(value, '$.session_id'));
CREATE INDEX "i_refresh_tokens.subject" ON "c_refresh_tokens" (json_extract(value, '$.subject'));
CREATE INDEX "i_sessions" ON "c_sessions" (keep_until);
CREATE INDEX "i_sessions.username" ON "c_sessions" (json_extract(value, '$.username'));
CREATE INDEX "i_sessions.sid" ON "c_sessions" (json_extract(value, '$.sid'));
COMMIT;
