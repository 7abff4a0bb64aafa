"""The tests of the contract in dotnet/extensions at 5862342 (2026-08-19), one row each."""

from __future__ import annotations

from dotnet_rows import Row

NULL = "Nothing in place of something"
KINDS = "One class for one meaning"
FROZEN = "Messages and options do not change"
NEEDED = "What is always there is no option"
RAW = "Frames of the provider"
AUDIO = "Audio is bytes"
ITEMS = "Kinds of items"
UNSTATED = "Nothing is stated by default"
KEYS = "Services have a type and no key"
CHAIN = "Middleware without a builder"
OPEN = "A session is open"
CANCEL = "Cancellation"
CREDENTIALS = "Key and model"


def _shown(test: str, asserts: str, shown_by: str, differs: str = "") -> Row:
    return Row(test, asserts, f"from_dotnet::test_{shown_by}", differs)


_TYPES = "messages::test_that_every_type_is_unique_and_reads_like_its_class"

# Microsoft.Extensions.AI.Abstractions.Tests/Realtime
ABSTRACTIONS = {
    "RealtimeAudioFormatTests": (
        _shown("Constructor_SetsProperties", "holds its kind and rate", "what_an_audio_format_holds"),
        _shown("Properties_Roundtrip", "both can be set", "what_an_audio_format_holds", FROZEN),
    ),
    "RealtimeClientMessageTests": (
        _shown(
            "RealtimeClientMessage_DefaultProperties",
            "no id and no raw object at first",
            "that_a_message_has_the_id_that_it_is_given",
        ),
        _shown(
            "RealtimeClientMessage_Properties_Roundtrip",
            "an id and a raw object can be set",
            "that_frames_of_any_kind_go_out",
            RAW,
        ),
        _shown(
            "ConversationItemCreateMessage_Constructor_SetsProperties", "holds its item", "what_client_messages_hold"
        ),
        _shown(
            "ConversationItemCreateMessage_Properties_Roundtrip",
            "the item can be replaced",
            "what_client_messages_hold",
            FROZEN,
        ),
        _shown(
            "ConversationItemCreateMessage_InheritsClientMessage",
            "is a client message, with an id",
            "that_a_message_is_of_its_direction",
        ),
        _shown(
            "InputAudioBufferAppendMessage_Constructor_SetsContent",
            "holds its audio",
            "what_client_messages_hold",
            AUDIO,
        ),
        _shown(
            "InputAudioBufferAppendMessage_Properties_Roundtrip",
            "the audio can be replaced, with its media type",
            "what_client_messages_hold",
            AUDIO,
        ),
        _shown(
            "InputAudioBufferAppendMessage_InheritsClientMessage",
            "is a client message, with an id",
            "that_a_message_is_of_its_direction",
        ),
        _shown(
            "InputAudioBufferCommitMessage_Constructor",
            "is a client message, without an id",
            "that_a_message_has_the_id_that_it_is_given",
        ),
        _shown(
            "ResponseCreateMessage_DefaultProperties",
            "states nothing at first",
            "that_a_request_states_nothing_at_first",
        ),
        _shown("ResponseCreateMessage_Properties_Roundtrip", "holds all that is stated", "what_a_request_holds"),
        _shown(
            "ResponseCreateMessage_InheritsClientMessage",
            "is a client message, with an id and a raw object",
            "that_a_message_is_of_its_direction",
            RAW,
        ),
    ),
    "RealtimeConversationItemTests": (
        _shown(
            "Constructor_WithContentsOnly_PropsDefaulted",
            "contents are enough: no id, no role",
            "what_an_item_holds",
            ITEMS,
        ),
        _shown("Constructor_WithAllArgs_PropsRoundtrip", "holds contents, id, role", "what_an_item_holds"),
        _shown("Properties_Roundtrip", "all can be set, a raw object too", "what_an_item_holds", FROZEN),
        _shown(
            "Constructor_WithFunctionContent_NoIdOrRole",
            "holds a call, without an id or a role",
            "that_a_call_is_an_item_without_a_role",
            ITEMS,
        ),
    ),
    "RealtimeServerMessageTests": (
        _shown(
            "RealtimeServerMessage_DefaultProperties",
            "no type, no id, no raw object at first",
            "that_a_server_message_knows_its_frame_if_there_was_one",
            KINDS,
        ),
        _shown(
            "RealtimeServerMessage_Properties_Roundtrip",
            "type, id and raw object can be set",
            "that_a_server_message_knows_its_frame_if_there_was_one",
            RAW,
        ),
        Row("ErrorMessage_Constructor_SetsType", "is of its type", _TYPES),
        _shown("ErrorMessage_DefaultProperties", "no error and no cause at first", "what_an_error_holds", NEEDED),
        _shown(
            "ErrorMessage_Properties_Roundtrip",
            "holds the error, its parameter, the id of its cause",
            "what_an_error_holds",
        ),
        Row("InputAudioTranscriptionMessage_Constructor_SetsType", "is of the type that it is given", _TYPES, KINDS),
        _shown(
            "InputAudioTranscriptionMessage_DefaultProperties",
            "nothing is set at first",
            "what_a_transcript_holds",
            NEEDED,
        ),
        _shown(
            "InputAudioTranscriptionMessage_Properties_Roundtrip",
            "holds item, part, words, usage and error",
            "what_a_transcript_holds",
            KINDS,
        ),
        Row("OutputTextAudioMessage_Constructor_SetsType", "is of the type that it is given", _TYPES, KINDS),
        _shown(
            "OutputTextAudioMessage_DefaultProperties",
            "nothing is set at first",
            "that_audio_is_bytes_and_their_format",
            NEEDED,
        ),
        _shown("OutputTextAudioMessage_Properties_Roundtrip", "holds words and where they belong", "what_words_hold"),
        Row("ResponseCreatedMessage_Constructor_SetsType", "is of the type that it is given", _TYPES, KINDS),
        _shown("ResponseCreatedMessage_DefaultProperties", "nothing is set at first", "what_a_response_holds", NEEDED),
        _shown(
            "ResponseCreatedMessage_Properties_Roundtrip",
            "holds options, items, status, error and usage",
            "what_a_response_holds",
        ),
        Row("ResponseOutputItemMessage_Constructor_SetsType", "is of the type that it is given", _TYPES, KINDS),
        _shown(
            "ResponseOutputItemMessage_DefaultProperties",
            "nothing is set at first",
            "that_a_message_without_its_content_cannot_be_made",
            NEEDED,
        ),
        _shown(
            "ResponseOutputItemMessage_Properties_Roundtrip",
            "holds response, place and item",
            "what_an_output_item_holds",
        ),
    ),
    "RealtimeSessionOptionsTests": (
        Row(
            "Constructor_Parameterless_PropsDefaulted",
            "a conversation, and nothing else is stated",
            "options::test_that_nothing_is_stated_at_first",
            UNSTATED,
        ),
        _shown("Properties_Roundtrip", "holds all that is stated", "what_options_hold"),
        _shown(
            "TranscriptionOptions_Properties_Roundtrip",
            "language, model and prompt can be set",
            "what_transcription_holds",
            FROZEN,
        ),
        _shown("TranscriptionOptions_PromptDefaultsToNull", "no prompt at first", "what_transcription_holds"),
        _shown(
            "VoiceActivityDetection_DefaultsToNull",
            "not stated at first",
            "that_turn_detection_is_off_or_says_whether_speech_interrupts",
        ),
        _shown("VoiceActivityDetection_Roundtrip", "holds it", "what_options_hold"),
        _shown(
            "VoiceActivityDetectionOptions_DefaultValues",
            "on, and speech interrupts",
            "that_turn_detection_is_off_or_says_whether_speech_interrupts",
            UNSTATED,
        ),
        _shown(
            "VoiceActivityDetectionOptions_Properties_Roundtrip",
            "both can be switched off and on",
            "that_turn_detection_is_off_or_says_whether_speech_interrupts",
            UNSTATED,
        ),
    ),
}

_FOUND = "from_dotnet::test_that_a_{}_is_found_by_its_type"
_MISSING = "from_dotnet::test_that_what_is_not_there_is_none_or_an_error"
_TYPE_ONLY = "from_dotnet::test_that_a_service_has_a_type_and_nothing_else"


def _lookups(holder: str) -> tuple[Row, ...]:
    """The thirteen tests that clients and sessions have alike."""
    found = _FOUND.format(holder)
    return (
        Row(f"GetService_Null{holder.title()}_Throws", "needs somebody to ask", "", NULL),
        Row("GetService_ReturnsMatchingService", "finds it by its class", found),
        Row("GetService_ReturnsNullForNonMatchingType", "gives nothing for another type", _MISSING),
        Row("GetService_WithServiceKey_ReturnsNull", "gives nothing for a key", _TYPE_ONLY, KEYS),
        Row("GetService_ReturnsInterfaceType", "finds it by its base", found),
        Row(f"GetRequiredService_Null{holder.title()}_Throws", "needs somebody to ask", "", NULL),
        Row("GetRequiredService_NullServiceType_Throws", "needs a type", _TYPE_ONLY),
        Row("GetRequiredService_ReturnsMatchingService", "finds it by its class", found),
        Row("GetRequiredService_ReturnsInterfaceType", "finds it by its base", found),
        Row("GetRequiredService_NonGeneric_ReturnsMatchingService", "finds it by a type that is a value", found),
        Row("GetRequiredService_ThrowsForNonMatchingType", "another type is an error", _MISSING),
        Row("GetRequiredService_NonGeneric_ThrowsForNonMatchingType", "so is one that is a value", _MISSING),
        Row("GetRequiredService_WithServiceKey_ThrowsForNonMatchingKey", "a key is an error", _TYPE_ONLY, KEYS),
    )


_NOT_CALLABLE = "from_dotnet::test_that_what_cannot_be_called_is_no_middleware"
_ORDER = "from_dotnet::test_that_the_first_middleware_is_the_outermost"

# Microsoft.Extensions.AI.Tests/Realtime
CHAINS = {
    "RealtimeClientBuilderTests": (
        Row("Ctor_NullClient_Throws", "needs a client", "", NULL),
        Row("Ctor_NullFactory_Throws", "needs a factory", "", NULL),
        Row("Build_WithNoMiddleware_ReturnsInnerClient", "the client itself", "client::test_the_order_of_middleware"),
        Row("Build_WithFactory_UsesFactory", "the factory's client", "client::test_the_order_of_middleware", CHAIN),
        Row("Use_NullClientFactory_Throws", "needs a middleware", _NOT_CALLABLE),
        Row("Build_PipelineOrder_FirstAddedIsOutermost", "the first added is the outermost", _ORDER),
        Row("Build_WithServiceProvider_PassesToFactory", "a middleware gets the services", _ORDER, CHAIN),
        Row("Build_NullServiceProvider_UsesEmptyProvider", "or services without any", _ORDER, CHAIN),
        _shown(
            "Use_ReturnsSameBuilder_ForChaining", "calls can be chained", "that_a_chain_is_added_to_from_outside", CHAIN
        ),
        Row("AsBuilder_NullClient_Throws", "needs a client", "", NULL),
        Row("AsBuilder_ReturnsBuilder", "and builds it unchanged", "client::test_the_order_of_middleware", CHAIN),
    ),
    "RealtimeClientExtensionsTests": _lookups("client"),
    "RealtimeClientSessionExtensionsTests": _lookups("session"),
}

# Microsoft.Extensions.AI.OpenAI.Tests
OPENAI = {
    "OpenAIRealtimeClientSessionTests": (
        Row(
            "GetService_ReturnsExpectedServices",
            "itself; nothing else, and nothing for a key",
            _FOUND.format("session"),
            KEYS,
        ),
        Row("GetService_NullServiceType_Throws", "needs a type", _TYPE_ONLY),
        _shown("DisposeAsync_CanBeCalledMultipleTimes", "closes twice", "that_closing_twice_is_harmless"),
        _shown(
            "Options_InitiallyNull",
            "no options before it is connected",
            "that_a_session_has_options_from_its_beginning",
            OPEN,
        ),
        _shown(
            "SessionUpdateMessage_NullOptions_Throws",
            "an update needs options",
            "that_a_message_without_its_content_cannot_be_made",
            NULL,
        ),
        Row("SendAsync_NullMessage_Throws", "sends messages only", "sending::test_that_only_client_messages_are_sent"),
        Row(
            "SendAsync_CancelledToken_ThrowsOperationCanceledException",
            "sending can be cancelled",
            "sending::test_that_sending_waits_and_its_cancellation_takes_nothing_back",
            CANCEL,
        ),
        Row(
            "SendAsync_NotConnected_ThrowsInvalidOperationException",
            "sends over an open session only",
            "sending::test_that_sending_after_the_end_raises_it",
            OPEN,
        ),
        Row(
            "ConnectAsync_CancelledToken_Throws",
            "connecting can be cancelled",
            "protocol_link_ends::test_that_opening_may_be_cancelled_at_any_time",
            CANCEL,
        ),
    ),
    "OpenAIRealtimeClientTests": (
        Row(
            "Ctor_InvalidArgs_Throws",
            "needs a key and a model",
            "providers_keys::test_a_key_that_is_missing",
            CREDENTIALS,
        ),
        Row(
            "GetService_ReturnsExpectedServices",
            "itself; nothing else, and nothing for a key",
            _FOUND.format("client"),
            KEYS,
        ),
        Row("GetService_NullServiceType_Throws", "needs a type", _TYPE_ONLY),
        _shown(
            "Dispose_CanBeCalledMultipleTimes", "closes twice", "that_a_provider_without_sessions_can_be_closed_twice"
        ),
        Row(
            "CreateSessionAsync_Cancelled_Throws",
            "opening can be cancelled",
            "providers_sessions::test_that_opening_can_be_cancelled",
            CANCEL,
        ),
    ),
}
