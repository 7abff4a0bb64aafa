"""Recordings of sessions: JSON Lines files of every message both ways, and their reading. See docs/recording.md."""

from duologue.middleware.recording.layer import Recording
from duologue.middleware.recording.reading import RecordedMessage, RecordedSession, read_recording

__all__ = ["RecordedMessage", "RecordedSession", "Recording", "read_recording"]
