from creance.provider import Plugin, PluginSettings
class S(PluginSettings):
    idle_timeout: int = 1800
class Sessions(Plugin[S, PluginSettings]): pass
