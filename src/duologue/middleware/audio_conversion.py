"""Makes any audio format of an application fit any provider's."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from duologue import messages as m
from duologue.capabilities import Capabilities, check_message
from duologue.client import RealtimeClient
from duologue.errors import SessionEnded
from duologue.formats import PCM16_24K, AudioFormat
from duologue.lifecycle import new_id
from duologue.link import Link
from duologue.messages.base import ClientMessage, ServerMessage, set_meta
from duologue.middleware.audio_clips import Formats, check_items, convert_content, convert_item, convert_items
from duologue.middleware.audio_streams import InputStream, OutputStreams, converter, nearest
from duologue.options import SessionOptions
from duologue.runtime import LayeredClient, SessionLayer

Received = TypeVar("Received", bound=ServerMessage)
Response = TypeVar("Response", bound=m.ResponseCreated | m.ResponseDone)

_TAG = "duologue.output_audio"
"""The key of a response's metadata that tells which format its request asked for."""


class AudioConversion:
    """Middleware that converts audio: ``client.with_middleware(AudioConversion())``.

    The application then uses whatever formats it likes: those of `SessionOptions.input_audio` and `output_audio`;
    others after an update, for one message (`InputAudioAppend.format`), for one response
    (`ResponseCreate.output_audio`, where the provider keeps metadata), and in clips inside items. Chunks may be cut
    inside a sample. The provider's formats are chosen when the session opens, and stay: the same where it knows them,
    else the nearest that loses nothing. What is not stated is as the provider has it.

    `create_session` raises `MissingDependency` if there is something to convert and numpy is not installed.
    """

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return _ConvertingClient(client, AudioConversionLayer)


class _ConvertingClient(LayeredClient):
    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return _converting(self.inner.capabilities(options))

    async def open_session(self, options: SessionOptions) -> Link:
        can = self.inner.capabilities(options)
        changes: dict[str, Any] = {}
        for name, offered in (("input_audio", can.input_formats), ("output_audio", can.output_formats)):
            wanted = getattr(options, name)
            if wanted is not None:
                changes[name] = nearest(wanted, offered)
                converter(wanted, changes[name])  # what is missing is told before there is a session
        asked = msgspec.structs.replace(options, **changes)
        if options.history:
            check_items(options.history, _formats_of(options))
            history = convert_items(options.history, _formats_of(options), _formats_of(asked))
            asked = msgspec.structs.replace(asked, history=history)
        link = await self.inner.open_session(asked)
        return AudioConversionLayer(link, input_audio=options.input_audio, output_audio=options.output_audio)


class AudioConversionLayer(SessionLayer):
    """The layer that `AudioConversion` puts around a session.

    Args:
        inner: The session in the provider's formats.
        input_audio: What the application sends; None: what the provider takes.
        output_audio: What the application wants; None: what the provider gives.
    """

    watches = (
        m.SessionCreated,
        m.SessionUpdated,
        m.ItemAdded,
        m.ItemDone,
        m.ItemRetrieved,
        m.ResponseCreated,
        m.ResponseDone,
        m.OutputItemAdded,
        m.OutputItemDone,
        m.ContentPartAdded,
        m.ContentPartDone,
        m.OutputAudioDelta,
        m.OutputAudioDone,
        m.Interrupted,
    )

    def __init__(
        self, inner: Link, input_audio: AudioFormat | None = None, output_audio: AudioFormat | None = None
    ) -> None:
        super().__init__(inner)
        self._input_audio = input_audio
        self._output_audio = output_audio
        self._of_responses: dict[str, AudioFormat] = {}  # formats asked for by requests, by response id
        self._user = InputStream()
        self._model = OutputStreams()
        self._end: SessionEnded | None = None

    @property
    def options(self) -> SessionOptions:
        return self._shown(self.inner.options)

    @property
    def capabilities(self) -> Capabilities:
        return _converting(self.inner.capabilities)

    def ended(self, end: SessionEnded) -> None:
        self._end = end
        super().ended(end)

    @property
    def _provider(self) -> Formats:
        return _formats_of(self.inner.options)

    @property
    def _application(self) -> Formats:
        provider = self._provider
        return Formats(self._input_audio or provider.input, self._output_audio or provider.output)

    # --- towards the provider ---

    async def send(self, message: ClientMessage) -> str:
        match message:
            case m.InputAudioAppend():
                return await self._append(message)
            case m.InputAudioCommit() | m.InputAudioEnd() | m.UserTurnEnd():
                await self._flush_input()
            case m.InputAudioClear():
                self._user.reset()
            case m.SessionUpdate():
                return await self._update(message)
            case m.ItemCreate():
                (item,) = self._outgoing((message.item,))
                message = message if item is message.item else msgspec.structs.replace(message, item=item)
            case m.ResponseCreate():
                message = self._request(message)
            case _:
                pass
        return await self.inner.send(message)

    async def _append(self, message: m.InputAudioAppend) -> str:
        target = self._provider.input
        audio = self._user.convert(message.audio, message.format or self._input_audio or target, target)
        if not audio:
            return self._accepted(message)
        if audio is not message.audio or message.format not in (None, target):
            message = msgspec.structs.replace(message, audio=audio, format=target)
        return await self.inner.send(message)

    async def _flush_input(self) -> None:
        if tail := self._user.flush():
            await self.inner.send(m.InputAudioAppend(audio=tail, format=self._provider.input))

    async def _update(self, message: m.SessionUpdate) -> str:
        """Change the application's formats here; only what else is stated goes to the provider."""
        asked, provider = message.options, self._provider
        if asked.input_audio is None and asked.output_audio is None:
            return await self.inner.send(message)
        converter(asked.input_audio or provider.input, provider.input)
        converter(provider.output, asked.output_audio or provider.output)
        before = self._input_audio, self._output_audio
        self._input_audio = asked.input_audio or self._input_audio
        self._output_audio = asked.output_audio or self._output_audio
        rest = msgspec.structs.replace(asked, input_audio=None, output_audio=None)
        try:
            if rest.stated():
                return await self.inner.send(msgspec.structs.replace(message, options=rest))
            message_id = self._accepted(message)
        except Exception:
            self._input_audio, self._output_audio = before
            raise
        self.deliver(m.SessionUpdated(options=self.options))
        return message_id

    def _request(self, request: m.ResponseCreate) -> m.ResponseCreate:
        changes: dict[str, Any] = {}
        if request.items:
            changes["items"] = self._outgoing(request.items)
        wanted = request.output_audio
        if wanted is not None:
            check_message(request, self.capabilities, self.metadata.provider)
            converter(self._provider.output, wanted)
            changes["output_audio"] = None
            if wanted != self._output_audio:
                changes["metadata"] = {**(request.metadata or {}), _TAG: f"{wanted.encoding}/{wanted.rate}"}
        return msgspec.structs.replace(request, **changes) if changes else request

    def _outgoing(self, items: tuple[m.Item, ...]) -> tuple[m.Item, ...]:
        application = self._application
        check_items(items, application)
        return convert_items(items, application, self._provider)

    def _accepted(self, message: ClientMessage) -> str:
        """The id of a message of which nothing needs to go further."""
        if self._end is not None:
            raise self._end.with_traceback(None)
        return message.id or new_id("msg")

    # --- towards the reader ---

    def received(self, message: ServerMessage) -> None:
        match message:
            case m.OutputAudioDelta():
                self._audio(message)
                return
            case m.OutputAudioDone():
                self._audio_done(message)
            case m.Interrupted():
                self._model.drop(message.response_id)
            case m.SessionCreated() | m.SessionUpdated():
                message = _copied(message, options=self._shown(message.options))
            case m.ResponseCreated() | m.ResponseDone():
                message = self._response(message)
            case m.ItemAdded() | m.ItemDone() | m.ItemRetrieved():
                message = _changed(message, "item", convert_item(message.item, self._provider, self._application))
            case m.OutputItemAdded() | m.OutputItemDone():
                target = self._formats_for(message.response_id)
                message = _changed(message, "item", convert_item(message.item, self._provider, target))
            case m.ContentPartAdded() | m.ContentPartDone():
                target = self._formats_for(message.response_id)
                (part,) = convert_content((message.part,), self._provider.output, target.output)
                message = _changed(message, "part", part)
            case _:
                pass
        self.deliver(message)

    def _audio(self, delta: m.OutputAudioDelta) -> None:
        target = self._of_responses.get(delta.response_id) or self._output_audio or delta.format
        audio, format = self._model.convert(delta, target)
        if audio is delta.audio and format == delta.format:
            self.deliver(delta)
        elif audio:
            self.deliver(_copied(delta, audio=audio, format=format))

    def _audio_done(self, done: m.OutputAudioDone) -> None:
        """What the conversion held back is the last delta of its part."""
        tail, format = self._model.finish(done.item_id, done.content_index)
        if not tail:
            return
        delta = m.OutputAudioDelta(
            turn_id=done.turn_id,
            response_id=done.response_id,
            item_id=done.item_id,
            output_index=done.output_index,
            content_index=done.content_index,
            audio=tail,
            format=format,
        )
        if done.meta is not None:
            set_meta(delta, done.meta)
        self.deliver(delta)

    def _response(self, response: Response) -> Response:
        metadata = dict(response.metadata or {})
        tag = metadata.pop(_TAG, None)
        if tag is not None:
            response = _copied(response, metadata=metadata or None)
            encoding, _, rate = tag.partition("/")
            asked = msgspec.convert({"encoding": encoding, "rate": int(rate)}, AudioFormat)
            self._of_responses[response.response_id] = asked
        target = self._formats_for(response.response_id)
        if response.output_audio == self._provider.output:
            response = _changed(response, "output_audio", target.output)
        response = _changed(response, "items", convert_items(response.items, self._provider, target))
        if isinstance(response, m.ResponseDone):
            self._model.drop(response.response_id)
            self._of_responses.pop(response.response_id, None)
        return response

    def _formats_for(self, response_id: str) -> Formats:
        formats = self._application
        asked = self._of_responses.get(response_id)
        return formats if asked is None else Formats(formats.input, asked)

    def _shown(self, options: SessionOptions) -> SessionOptions:
        """`options` with the application's formats in place of the provider's."""
        return msgspec.structs.replace(
            options,
            input_audio=self._input_audio or options.input_audio,
            output_audio=self._output_audio or options.output_audio,
        )


def _converting(can: Capabilities) -> Capabilities:
    """What a provider can do when its audio is converted."""
    of_responses = {"output_audio"} if can.metadata else set()
    return msgspec.structs.replace(
        can,
        input_formats=None,
        output_formats=None,
        mutable_options=can.mutable_options | {"input_audio", "output_audio"},
        response_options=(can.response_options - {"output_audio"}) | of_responses,
    )


def _formats_of(options: SessionOptions) -> Formats:
    return Formats(options.input_audio or PCM16_24K, options.output_audio or PCM16_24K)


def _copied(message: Received, **changes: object) -> Received:
    """`message` with changes; it still comes from the same frame."""
    copy = msgspec.structs.replace(message, **changes)
    if message.meta is not None:
        set_meta(copy, message.meta)
    return copy


def _changed(message: Received, field: str, value: object) -> Received:
    return message if getattr(message, field) is value else _copied(message, **{field: value})
