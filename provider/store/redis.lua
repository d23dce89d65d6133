-- What a Redis server does for a store (redis.py): each call wholly, or nothing of it, and nothing else meanwhile.
--
-- KEYS[1]  what the names of all keys begin with
-- ARGV     the name of the call, the time now, and what the call is about
--
-- A document is one text. Three kinds of sorted sets lead to it: `keys` of a collection in their order, its `ends` by
-- keep_until, and, by keep_until too, one `by` each text that an indexed field has. A field is in `indexes` as soon as
-- what is written goes by it, and in `complete` once all that was there before does.

local BEGINNING, NOW = KEYS[1], tonumber(ARGV[2])
local PAGE = 100

local function name(...)
  return BEGINNING .. table.concat({...}, ':')
end

-- Documents

local function read_as_it_is(collection, key)
  return redis.call('GET', name('document', collection, key))
end

local function document_of(text)
  local document = {}
  document.version, document.valid_until, document.keep_until, document.redeemed_at, document.schema, document.value =
    string.match(text, '^([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$')
  return document
end

local function text_of(document)
  return table.concat({document.version, document.valid_until, document.keep_until, document.redeemed_at,
                       document.schema, document.value}, '\n')
end

local function is_kept(document)
  return tonumber(document.keep_until) > NOW
end

local function is_valid(document)
  return is_kept(document) and document.redeemed_at == '' and tonumber(document.valid_until) > NOW
end

local function kept(collection, key)
  local text = read_as_it_is(collection, key)
  local document = text and document_of(text)
  return document and is_kept(document) and document or nil
end

local fields = {}

local function fields_of(collection)
  fields[collection] = fields[collection] or redis.call('SMEMBERS', name('indexes', collection))
  return fields[collection]
end

-- The names of the sets, one for each indexed field that is a text.
local function found_by(collection, value)
  local sets = {}
  if #fields_of(collection) == 0 then
    return sets
  end
  local members = cjson.decode(value)
  for _, field in ipairs(fields_of(collection)) do
    if type(members[field]) == 'string' then
      table.insert(sets, name('by', collection, field, members[field]))
    end
  end
  return sets
end

local function remove(collection, key)
  local text = read_as_it_is(collection, key)
  if not text then
    return
  end
  for _, set in ipairs(found_by(collection, document_of(text).value)) do
    redis.call('ZREM', set, key)
  end
  redis.call('ZREM', name('keys', collection), key)
  redis.call('ZREM', name('ends', collection), key)
  redis.call('DEL', name('document', collection, key))
end

local function place(collection, key, document)
  remove(collection, key)
  for _, set in ipairs(found_by(collection, document.value)) do
    redis.call('ZADD', set, document.keep_until, key)
  end
  redis.call('ZADD', name('keys', collection), 0, key)
  redis.call('ZADD', name('ends', collection), document.keep_until, key)
  redis.call('SET', name('document', collection, key), text_of(document))
end

-- Its first change is one that Redis refuses where it takes no writes: for want of memory, of a disk, or as a replica.
-- So nothing is ever done by halves.
local function new_version()
  return string.format('%.0f', redis.call('INCR', name('version')))
end

-- Operations: what is under a key afterwards, where this document was found there, or none; or why it is refused.

local operations = {}

local function as_given(operation)
  return {version = operation.version, valid_until = operation.valid_until, keep_until = operation.keep_until,
          redeemed_at = '', schema = operation.schema, value = operation.value}
end

function operations.insert(operation, found)
  if found then
    return found, 'AlreadyExists'
  end
  return as_given(operation)
end

function operations.ensure(operation, found)
  return found or as_given(operation)
end

function operations.replace(operation, found)
  if not (found and is_valid(found) and found.version == operation.extra) then
    return found, 'Conflict'
  end
  return as_given(operation)
end

function operations.redeem(operation, found)
  if not found then
    return nil, 'NotFound'
  elseif found.redeemed_at ~= '' then
    return found, 'AlreadyRedeemed'
  elseif not is_valid(found) then
    return found, 'Expired'
  end
  local longer = tonumber(operation.keep_until) > tonumber(found.keep_until)
  return {version = operation.version, valid_until = found.valid_until,
          keep_until = longer and operation.keep_until or found.keep_until,
          redeemed_at = ARGV[2], schema = found.schema, value = found.value}
end

function operations.increment(operation, found)
  local goes_on = found and is_valid(found)
  local count = tonumber(operation.extra) + (goes_on and cjson.decode(found.value).count or 0)
  local document = as_given(operation)
  if goes_on then
    document.valid_until, document.keep_until = found.valid_until, found.keep_until
  end
  document.value = string.format('{"count":%.0f}', count)
  return document, nil, count
end

function operations.delete()
  return nil
end

-- What was there, to be put back where a later operation is refused.

local before, touched = {}, {}

local function note(collection, key)
  local id = name('document', collection, key)
  if before[id] == nil then
    before[id] = read_as_it_is(collection, key)
    table.insert(touched, {id, collection, key})
  end
end

local function undo()
  for _, each in ipairs(touched) do
    local id, collection, key = unpack(each)
    if before[id] then
      place(collection, key, document_of(before[id]))
    else
      remove(collection, key)
    end
  end
end

local function remove_where(collection, field, text)
  local keys = redis.call('ZRANGE', name('by', collection, field, text), 0, -1)
  for _, key in ipairs(keys) do
    note(collection, key)
    remove(collection, key)
  end
  return #keys
end

local function perform(operation)
  local collection, key = operation.collection, operation.key
  if operation.kind == 'delete_where' then
    return nil, nil, remove_where(collection, key, operation.value)
  end
  local found = kept(collection, key)
  local document, refusal, count = operations[operation.kind](operation, found)
  if refusal then
    return document, refusal
  end
  note(collection, key)
  if not document then
    remove(collection, key)
  elseif document ~= found then
    place(collection, key, document)
  end
  return nil, nil, count
end

-- Calls

local calls = {}

function calls.write()
  local version, answers = new_version(), {}
  for first = 3, #ARGV, 8 do
    local kind, collection, key, schema, value, valid_until, keep_until, extra = unpack(ARGV, first, first + 7)
    local found, refusal, count = perform({kind = kind, collection = collection, key = key, schema = schema,
      value = value, valid_until = valid_until, keep_until = keep_until, extra = extra, version = version})
    if refusal then
      undo()
      return {refusal, (first - 3) / 8, found and text_of(found) or false}
    end
    table.insert(answers, count or false)
  end
  return {'done', answers}
end

-- Documents as they are; answers those that were in the way, each after its key.
function calls.put()
  local collection, schema, overwrite = ARGV[3], ARGV[4], ARGV[5] == 'overwrite'
  local version, taken = new_version(), {}
  for first = 6, #ARGV, 5 do
    local key, valid_until, keep_until, redeemed_at, value = unpack(ARGV, first, first + 4)
    local found = kept(collection, key)
    if found and not overwrite then
      table.insert(taken, key)
      table.insert(taken, text_of(found))
    else
      place(collection, key, {version = version, valid_until = valid_until, keep_until = keep_until,
        redeemed_at = redeemed_at, schema = schema, value = value})
    end
  end
  return taken
end

-- So many of a sorted set's documents that are good enough, each after its key.
local function some(collection, limit, is_good, next_keys)
  local found, offset = {}, 0
  repeat
    local keys = next_keys(offset)
    for _, key in ipairs(keys) do
      local text = #found < 2 * limit and read_as_it_is(collection, key)
      if text and is_good(document_of(text)) then
        table.insert(found, key)
        table.insert(found, text)
      end
    end
    offset = offset + PAGE
  until #keys < PAGE or #found >= 2 * limit
  return found
end

function calls.find()
  local collection, field, text, limit = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
  local set = name('by', collection, field, text)
  return some(collection, limit, is_valid, function(offset)
    return redis.call('ZRANGEBYSCORE', set, '(' .. ARGV[2], '+inf', 'LIMIT', offset, PAGE)
  end)
end

function calls.page()
  local collection, after, limit, is_good = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == 'kept' and is_kept or is_valid
  return some(collection, limit, is_good, function(offset)
    local first = after == '' and '-' or '(' .. after
    return redis.call('ZRANGEBYLEX', name('keys', collection), first, '+', 'LIMIT', offset, PAGE)
  end)
end

function calls.sweep()
  local collection, limit = ARGV[3], ARGV[4]
  local keys = redis.call('ZRANGEBYSCORE', name('ends', collection), '-inf', ARGV[2], 'LIMIT', 0, limit)
  for _, key in ipairs(keys) do
    remove(collection, key)
  end
  return #keys
end

function calls.claim()
  local lease, holder, until_when = name('lease', ARGV[3]), ARGV[4], ARGV[5]
  local ends, held_by = unpack(redis.call('HMGET', lease, 'until', 'holder'))
  if ends and tonumber(ends) > NOW and held_by ~= holder then
    return 0
  end
  redis.call('HSET', lease, 'until', until_when, 'holder', holder)
  return 1
end

-- From now on what is written to a collection goes by these fields; answers those by which older documents do not yet.
function calls.declare()
  local collection, incomplete = ARGV[3], {}
  redis.call('SADD', name('collections'), collection)
  for argument = 4, #ARGV do
    redis.call('SADD', name('indexes', collection), ARGV[argument])
    if redis.call('SISMEMBER', name('complete', collection), ARGV[argument]) == 0 then
      table.insert(incomplete, ARGV[argument])
    end
  end
  return incomplete
end

-- Some older documents, those after a key, go by all fields; answers the last of them, or nothing when all do.
function calls.index()
  local collection, after = ARGV[3], ARGV[4]
  local first = after == '' and '-' or '(' .. after
  local keys = redis.call('ZRANGEBYLEX', name('keys', collection), first, '+', 'LIMIT', 0, PAGE)
  for _, key in ipairs(keys) do
    place(collection, key, document_of(read_as_it_is(collection, key)))
  end
  return keys[#keys] or false
end

function calls.complete()
  for argument = 4, #ARGV do
    redis.call('SADD', name('complete', ARGV[3]), ARGV[argument])
  end
end

-- How many of some documents, those after a key, are of which schema, and valid, only kept, or not even that; after the
-- last of their keys, or nothing when these are all.
function calls.count()
  local collection, after, numbers = ARGV[3], ARGV[4], {}
  local first = after == '' and '-' or '(' .. after
  local keys = redis.call('ZRANGEBYLEX', name('keys', collection), first, '+', 'LIMIT', 0, PAGE)
  for _, key in ipairs(keys) do
    local document = document_of(read_as_it_is(collection, key))
    local state = is_valid(document) and 'valid' or is_kept(document) and 'kept' or 'unswept'
    numbers[document.schema] = numbers[document.schema] or {valid = 0, kept = 0, unswept = 0}
    numbers[document.schema][state] = numbers[document.schema][state] + 1
  end
  local answer = {keys[#keys] or false}
  for schema, states in pairs(numbers) do
    for state, number in pairs(states) do
      table.insert(answer, schema)
      table.insert(answer, state)
      table.insert(answer, number)
    end
  end
  return answer
end

return calls[ARGV[1]]()
