"""Test support for applications: a provider that follows a script, and speech stages that need no model."""

from duologue.testing.replies import ScriptedReply
from duologue.testing.scripted import SCRIPTED_CAPABILITIES, ScriptedClient
from duologue.testing.scripted_link import ScriptedLink

__all__ = ["SCRIPTED_CAPABILITIES", "ScriptedClient", "ScriptedLink", "ScriptedReply"]
