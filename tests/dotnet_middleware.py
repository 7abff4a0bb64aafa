"""The tests of the three middlewares in dotnet/extensions at 5862342 (2026-08-19), one row each."""

from __future__ import annotations

from dotnet_contract import NULL
from dotnet_rows import Row

SETTINGS = "Settings are arguments"
DEFAULTS = "Defaults of function invocation"
GOING_ON = "When the model goes on"
BOUND = "The bound of calls"
READERS = "Calls that are the reader's"
LOGGED = "What is logged of a message"
NO_LAYER = "Logging is always there"
CANCELLED = "Cancelled is not failed"
ENDS = "What ends a session"
JSON = "No JSON settings"
NAMES = "Names in traces"
SPANS = "A span for what takes time"
ERROR_WORDS = "An error's words are content"
NO_AUDIO = "Audio and pictures are never recorded"
TRACERS = "Where traces go"
REQUESTS = "What single requests state"


def _call(test: str, asserts: str, shown_by: str, differs: str = "") -> Row:
    return Row(test, asserts, f"from_dotnet_middleware::test_{shown_by}", differs)


def _trace(test: str, asserts: str, shown_by: str, differs: str = "") -> Row:
    return Row(test, asserts, f"from_dotnet_telemetry::test_{shown_by}", differs)


_STREAM = "GetStreamingResponseAsync"
_UNKNOWN = "that_the_model_is_told_of_a_function_that_is_not_there"
_RAISED = "that_the_model_is_told_what_was_raised_only_if_it_shall_know"
_LEFT = "that_calls_of_the_reader_are_left_to_it_and_the_session_goes_on"
_SENT = "what_is_logged_of_a_message_that_is_sent"
_REFUSED = "that_a_message_that_is_refused_is_logged"
_SENDER_CANCELLED = "that_a_message_whose_sender_is_cancelled_was_sent"
_CALLS = "that_calls_and_results_are_content"
_MEDIA = "that_audio_and_pictures_are_never_recorded"
_WORDS = "that_words_are_on_the_span_that_they_belong_to"
_FOUND = "that_telemetry_is_found_in_client_and_session"

FUNCTION_INVOCATION = (
    Row("Ctor_NullArgs_Throws", "needs a client", "", NULL),
    _call("Properties_DefaultValues", "what holds if nothing is said", "the_defaults_of_function_invocation", DEFAULTS),
    _call("MaximumIterationsPerRequest_InvalidValue_Throws", "at least 1", "that_bounds_have_bounds"),
    _call("MaximumConsecutiveErrorsPerRequest_InvalidValue_Throws", "at least 0", "that_bounds_have_bounds"),
    _call(f"{_STREAM}_NoFunctionCalls_PassesThrough", "other messages pass", "that_what_calls_nothing_passes"),
    _call(
        f"{_STREAM}_FunctionCall_InvokesAndInjectsResult",
        "the call is shown and run; the result and a request without modalities follow",
        "that_a_call_is_shown_run_and_answered_and_the_model_goes_on",
        GOING_ON,
    ),
    _call(f"{_STREAM}_FunctionCall_FromAdditionalTools", "additional tools run", "that_an_additional_tool_is_run"),
    _call(
        f"{_STREAM}_MaxIterations_StopsInvoking",
        "calls beyond the bound do not run; all are shown",
        "that_calls_beyond_the_bound_are_refused_and_all_are_shown",
        BOUND,
    ),
    _call(f"{_STREAM}_FunctionInvoker_CustomDelegate", "an invoker runs it", "that_an_invoker_runs_the_call"),
    _call(f"{_STREAM}_UnknownFunction_SendsErrorByDefault", "the model is told", _UNKNOWN),
    _call(f"{_STREAM}_FunctionError_IncludesDetailedErrors", "the model is told what was raised", _RAISED),
    _call(f"{_STREAM}_FunctionError_HidesDetailsWhenNotEnabled", "or only that it failed", _RAISED),
    _call(
        "GetService_ReturnsSelf",
        "found in client and session",
        "that_function_invocation_is_found_in_the_session",
        SETTINGS,
    ),
    _call(f"{_STREAM}_TerminateOnUnknownCalls_StopsLoop", "no answer; the stream ends", _LEFT, READERS),
    _call(f"{_STREAM}_TerminateOnUnknownCalls_False_SendsError", "the model is told", _UNKNOWN),
    _call(
        f"{_STREAM}_ConcurrentInvocation_InvokesInParallel",
        "may run together",
        "that_calls_of_one_response_run_together",
    ),
    _call(
        f"{_STREAM}_ConsecutiveErrors_ExceedsLimit_Throws",
        "too many errors in a row are raised to the reader",
        "that_too_many_errors_in_a_row_are_raised_to_the_reader",
    ),
    Row("UseFunctionInvocation_NullBuilder_Throws", "needs a builder", "", NULL),
    _call(
        "UseFunctionInvocation_ConfigureCallback_IsInvoked",
        "a callback sets what is found later",
        "that_function_invocation_is_found_in_the_session",
        SETTINGS,
    ),
    _call(f"{_STREAM}_NonInvocableTool_TerminatesLoop", "a declaration: no answer; the stream ends", _LEFT, READERS),
)

LOGGING = (
    Row("LoggingRealtimeClient_InvalidArgs_Throws", "needs a client and a logger", "", NULL),
    _call(
        "UseLogging_AvoidsInjectingNopSession",
        "not there if nothing is logged",
        "that_logging_is_found_in_the_session_whether_or_not_it_writes",
        NO_LAYER,
    ),
    _call("SendAsync_SessionUpdateMessage_LogsInvocationAndCompletion", "begin and end, by level", _SENT, LOGGED),
    _call("SendAsync_LogsInvocationAndCompletion", "the same of any message", _SENT, LOGGED),
    _call(
        f"{_STREAM}_LogsMessagesReceived",
        "each message, its content at the lowest level only, begin and end of the stream",
        "what_is_logged_of_messages_that_arrive",
        LOGGED,
    ),
    _call("SendAsync_SessionUpdateMessage_LogsCancellation", "that it was cancelled", _SENDER_CANCELLED, CANCELLED),
    _call("SendAsync_SessionUpdateMessage_LogsErrors", "that it failed", _REFUSED, LOGGED),
    _call(f"{_STREAM}_LogsCancellation", "that reading was cancelled", "that_a_cancelled_read_is_no_end", CANCELLED),
    _call(
        f"{_STREAM}_LogsErrors",
        "that the stream failed, as an error",
        "that_the_end_of_a_session_is_logged_with_its_reason",
    ),
    _call(
        "GetService_ReturnsLoggingClientWhenRequested",
        "found in the client",
        "that_logging_is_found_in_the_session_whether_or_not_it_writes",
        SETTINGS,
    ),
    _call("SendAsync_LogsCancellation", "that it was cancelled", _SENDER_CANCELLED, CANCELLED),
    _call("SendAsync_LogsErrors", "that it failed", _REFUSED, LOGGED),
    Row("JsonSerializerOptions_NullValue_Throws", "needs JSON settings", "", JSON),
    Row("JsonSerializerOptions_Roundtrip", "holds JSON settings", "", JSON),
    Row("UseLogging_NullBuilder_Throws", "needs a builder", "", NULL),
)

OPEN_TELEMETRY = (
    _trace(
        f"ExpectedInformationLogged_{_STREAM}",
        "server, provider, model, bounds, voice, modalities, response, usage, time; instructions and tools if content",
        "what_is_recorded_of_a_response",
        NAMES,
    ),
    _trace(
        f"{_STREAM}_TracesError",
        "an error that ends the stream: its type and words, and a warning in the log",
        "that_what_ends_the_session_is_recorded",
        ENDS,
    ),
    _trace(
        f"{_STREAM}_TracesErrorFromResponse",
        "a response that failed: its code and words",
        "that_a_response_that_failed_is_recorded",
        ERROR_WORDS,
    ),
    _trace("NoListeners_NoActivityCreated", "works without a listener", "that_nothing_is_there_where_nobody_listens"),
    Row("InvalidArgs_Throws", "needs a client and JSON settings", "", NULL),
    Row(
        "SessionUpdateMessage_NullOptions_Throws",
        "an update needs options",
        "from_dotnet::test_that_a_message_without_its_content_cannot_be_made",
        NULL,
    ),
    _trace("GetService_ReturnsActivitySource", "gives its source", "that_a_tool_is_traced_below_its_own_span", TRACERS),
    _trace("GetService_ReturnsSelf", "found in client and session", _FOUND),
    _trace("TranscriptionSessionKind_Logged", "the kind", "that_a_transcription_session_is_called_one", NAMES),
    _trace("ToolCallContentInClientMessages_LoggedAsInputMessages", "results, if content", _CALLS, SPANS),
    _trace("ToolCallContentInServerMessages_LoggedAsOutputMessages", "calls, if content", _CALLS),
    _trace("ToolContentNotLoggedWithoutSensitiveData", "neither, if no content", _CALLS),
    _trace("AudioBufferAppendMessage_LoggedAsInputMessage", "audio in base64, if content", _MEDIA, NO_AUDIO),
    _trace("AudioBufferCommitMessage_LoggedAsInputMessage", "a span for a commit", _MEDIA, SPANS),
    Row(
        "ResponseCreateMessageWithInstructions_LoggedAsInputMessage",
        "a request's instructions, if content",
        "",
        REQUESTS,
    ),
    Row("ResponseCreateMessageWithItems_LoggedAsInputMessage", "a request's items, if content", "", REQUESTS),
    _trace("OutputTextAudioMessage_LoggedAsOutputMessage", "the answer's words, if content", _WORDS),
    _trace("InputAudioTranscriptionMessage_LoggedAsOutputMessage", "the user's words, if content", _WORDS, SPANS),
    _trace(
        "ServerErrorMessage_LoggedAsOutputMessage",
        "an error's words, if content",
        "that_an_error_of_the_provider_is_an_event_of_the_session",
        SPANS,
    ),
    _trace("ConversationItemCreateWithTextContent_LoggedAsInputMessage", "written text, if content", _WORDS, SPANS),
    _trace("DataContentInClientMessage_LoggedWithModality", "pictures in base64, if content", _MEDIA, NO_AUDIO),
    Row("UseOpenTelemetry_NullBuilder_Throws", "needs a builder", "", NULL),
    _trace("UseOpenTelemetry_BuildsPipeline", "found in the client, with settings that can be set", _FOUND, SETTINGS),
    _trace("DisposeAsync_CanBeCalledMultipleTimes", "closes twice", "that_a_traced_session_is_closed_twice"),
)

# Microsoft.Extensions.AI.Tests/Realtime
MIDDLEWARE = {
    "FunctionInvokingRealtimeClientTests": FUNCTION_INVOCATION,
    "LoggingRealtimeClientTests": LOGGING,
    "OpenTelemetryRealtimeClientTests": OPEN_TELEMETRY,
}
