"""The answering half of the engine: which response runs, what it is told, how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.lifecycle import ResponseBuilder
from duologue.local import commands as c
from duologue.local.response import LocalResponse, ResponseSettings
from duologue.local.settings import detection_of
from duologue.local.store import ItemStore
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.speech.responder import ResponderEvent, ResponderRequest, TextChunk
from duologue.speech.stages import SpeechChunk

if TYPE_CHECKING:
    from duologue.local.engine import EngineSettings


class Responses:
    """The responses of one session: one at a time in the conversation, any number beside it. Pure.

    Args:
        options: The session's options, with every default filled in.
        settings: What the client gives.
        store: The conversation.
        emit: Takes server messages.
        order: Takes commands for the stages.

    Attributes:
        options: The session's options; may be replaced.
        played_at: When all that was given out so far will have been played, in s.
        ended: How many responses in the conversation are over.
    """

    def __init__(
        self,
        options: SessionOptions,
        settings: EngineSettings,
        store: ItemStore,
        emit: Callable[[ServerMessage], None],
        order: Callable[[c.Command], None],
    ) -> None:
        self.options = options
        self.played_at = 0.0
        self.ended = 0
        self._settings = settings
        self._store = store
        self._emit = emit
        self._order = order
        self._open: dict[str, LocalResponse] = {}
        self._active: str | None = None  # the response in the conversation
        self._unasked: dict[str, LocalResponse] = {}  # those whose responder waits for the user's words
        self._idle: set[str] = set()  # responses to silence
        self._answer_owed = False  # the user's turn ended while another response was active

    @property
    def active(self) -> str | None:
        """The response that runs in the conversation."""
        return self._active

    def is_open(self, response_id: str) -> bool:
        """Whether that response runs."""
        return response_id in self._open

    def has_room(self, response_id: str) -> bool:
        """Whether more audio of this response may be synthesised."""
        response = self._open.get(response_id)
        return response is None or response.has_room

    # --- beginning ---

    def request(self, request: m.ResponseCreate | m.Say) -> None:
        """The application asks for a response, which may begin."""
        if isinstance(request, m.Say):
            response = self._begin(m.ResponseCreate(id=request.id))
            response.write(TextChunk(request.text))
            response.finish()
        else:
            response = self._begin(request)
            self._unasked[response.response_id] = response

    def request_idle(self) -> None:
        """The user was silent for too long: speak."""
        if self._active is None:
            response = self._begin(m.ResponseCreate())
            self._unasked[response.response_id] = response
            self._idle.add(response.response_id)

    def user_turn_done(self, *, asked: bool = False) -> None:
        """The user's turn is over: answer it, if that is wanted, once no other response is active."""
        detection = detection_of(self.options)
        wanted = asked or (detection is not None and detection.create_response)
        if not wanted or self.options.kind == "transcription":
            return
        if self._active is not None:
            self._answer_owed = True
        else:
            self.request(m.ResponseCreate())

    def _begin(self, request: m.ResponseCreate) -> LocalResponse:
        options, response_id = self.options, self._settings.make_id("resp")
        modalities = request.output_modalities or options.output_modalities or ("audio",)
        audio = (request.output_audio or options.output_audio or PCM16_24K) if "audio" in modalities else None
        voice = request.voice or options.voice
        builder = ResponseBuilder(
            response_id,
            output_audio=audio,
            request=request,
            conversation_id="conversation",
            voice=voice,
            max_output_tokens=request.max_output_tokens or options.max_output_tokens,
            make_id=self._settings.make_id,
        )
        settings = ResponseSettings(
            output_audio=audio,
            voice=voice,
            speed=options.speed,
            rate=self._settings.synthesis_rate,
            lead_ms=self._settings.lead_ms,
        )
        response = self._open[response_id] = LocalResponse(builder, settings, request)
        if not request.out_of_band:
            self._active = response_id
        self._give_out(response, builder.start())
        return response

    # --- going on ---

    def write(self, response_id: str, event: ResponderEvent) -> None:
        """The responder goes on."""
        if response := self._open.get(response_id):
            response.write(event)

    def finish(self, response_id: str) -> None:
        """The responder has nothing more to say."""
        if response := self._open.get(response_id):
            response.finish()

    def add_audio(self, response_id: str, chunk: SpeechChunk) -> None:
        """Text to speech has made this of its piece."""
        response = self._open.get(response_id)
        if response is not None and response.speech is not None:
            response.speech.add_audio(chunk)

    def piece_done(self, response_id: str) -> None:
        """Text to speech is done with its piece."""
        response = self._open.get(response_id)
        if response is not None and response.speech is not None:
            response.speech.piece_done()

    def advance(self, now: float) -> None:
        """Give out what is due, and ask the stages for what is missing."""
        for response in list(self._open.values()):
            self._give_out(response, response.take(now, self.played_at), now)
            if response.speech is not None and (piece := response.speech.next_piece()) is not None:
                settings = response.settings
                self._order(c.Speak(response.response_id, piece, settings.voice, settings.speed))
        if self._answer_owed and self._active is None:
            self._answer_owed = False
            self.request(m.ResponseCreate())
        for response in list(self._unasked.values()):
            if not self._awaits_words(response.request):
                del self._unasked[response.response_id]
                self._ask(response)

    def deadline(self) -> float | None:
        """When `advance` has more to give out, in s."""
        deadlines = [response.deadline() for response in self._open.values()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _awaits_words(self, request: m.ResponseCreate) -> bool:
        if request.items is None:
            return self._store.awaits_words
        return any(self._store.awaits_words_of(item_id) for item_id in _references(request))

    def _ask(self, response: LocalResponse) -> None:
        request, options = response.request, self.options
        bound = request.max_output_tokens or options.max_output_tokens
        parallel = options.parallel_tool_calls if request.parallel_tool_calls is None else request.parallel_tool_calls
        instructions = options.instructions if request.instructions is None else request.instructions
        items = self._context(request)
        told = ResponderRequest(
            items=items,
            instructions=instructions,
            tools=(options.tools or ()) if request.tools is None else request.tools,
            tool_choice=request.tool_choice or options.tool_choice or "auto",
            parallel_tool_calls=parallel is not False,
            max_output_tokens=bound if isinstance(bound, int) else None,
            temperature=options.temperature,
            understood=self._store.understands(items),
            idle=response.response_id in self._idle,
            spoken=response.settings.output_audio is not None,
        )
        self._order(c.Answer(response.response_id, told))

    def _context(self, request: m.ResponseCreate) -> tuple[m.Item, ...]:
        """What the responder reads; an item that was deleted since the request is left out."""
        if request.items is None:
            return self._store.items()
        known = {item.id: item for item in self._store.items()}
        items = (known.get(item.id) if isinstance(item, m.ItemReference) else item for item in request.items)
        return tuple(item for item in items if item is not None)

    # --- ending ---

    def interrupted(self) -> None:
        """The user speaks: the active response stops, and what is unheard is not played, if speech may do that."""
        detection = detection_of(self.options)
        if detection is None or detection.interrupt_response:
            self._answer_owed = False
            self.playback_stopped()
            self.cancel(None, "turn_detected")

    def playback_stopped(self) -> None:
        """What was given out and not heard yet is not going to be played."""
        self.played_at = 0.0

    def cancel(self, response_id: str | None, reason: str) -> None:
        """Stop a response; None: the active one."""
        response = self._open.get(response_id or self._active or "")
        if response is not None:
            self._give_out(response, response.builder.end("cancelled", reason=reason))

    def cancel_all(self, reason: str) -> None:
        """Stop all responses."""
        for response_id in list(self._open):
            self.cancel(response_id, reason)

    def fail(self, response_id: str, reason: str) -> None:
        """A stage could not go on with a response."""
        response = self._open.get(response_id)
        if response is not None:
            error = m.ErrorDetail(message=reason, type="server_error")
            self._give_out(response, response.builder.end("failed", error=error))

    def transcript_failed(self, item_id: str, reason: str) -> None:
        """The words that responses may be waiting for will not come."""
        for response in list(self._unasked.values()):
            if response.request.items is None or item_id in _references(response.request):
                self.fail(response.response_id, reason)

    def _give_out(self, response: LocalResponse, messages: list[ServerMessage], now: float = 0.0) -> None:
        for message in messages:
            if isinstance(message, m.ItemAdded | m.ItemDone) and message.item.id is not None:
                self._store.put(message.item.id, message.item)
                previous = self._store.previous_id(message.item.id)
                message = msgspec.structs.replace(message, previous_item_id=previous)
            elif isinstance(message, m.OutputAudioDelta):
                seconds = message.format.duration_ms(len(message.audio)) / 1000
                self.played_at = max(self.played_at, now) + seconds
            self._emit(message)
        for item_id, recording in response.recordings.items():
            self._store.record(item_id, recording)
        if response.builder.is_done:
            self._close(response)

    def _close(self, response: LocalResponse) -> None:
        response_id = response.response_id
        if self._open.pop(response_id, None) is None:
            return
        self._unasked.pop(response_id, None)
        self._idle.discard(response_id)
        self._order(c.StopResponse(response_id))
        if self._active == response_id:
            self._active = None
            self.ended += 1


def _references(request: m.ResponseCreate) -> list[str]:
    items = request.items or ()
    return [item.id for item in items if isinstance(item, m.ItemReference) and item.id is not None]
