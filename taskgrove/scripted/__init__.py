"""A scripted stand-in for a language model behind an OpenAI-compatible endpoint: for tests, and for a demo that needs no key."""

from taskgrove.scripted.script import Script, read_script
from taskgrove.scripted.server import Received, ScriptedModel, scripted

__all__ = ["Received", "Script", "ScriptedModel", "read_script", "scripted"]
