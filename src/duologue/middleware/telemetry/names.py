"""The names of what is recorded.

Those of OpenTelemetry's conventions for generative AI, where there is one; the realtime part of these is a draft (pull
request 394 of open-telemetry/semantic-conventions-genai). What they lack is called ``gen_ai.realtime.*``.
"""

from __future__ import annotations

from typing import Final

# --- values of gen_ai.operation.name ---

SESSION: Final = "realtime_session"  # ours
RESPONSE: Final = "realtime_inference"  # draft
USER_SPEECH: Final = "user_speech"  # draft
EXECUTE_TOOL: Final = "execute_tool"

# --- attributes of the conventions ---

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
OUTPUT_TYPE: Final = "gen_ai.output.type"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
SESSION_ID: Final = "gen_ai.realtime_session.id"  # draft

INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
INPUT_TOKENS_OF: Final = "gen_ai.usage.{modality}.input_tokens"
OUTPUT_TOKENS_OF: Final = "gen_ai.usage.{modality}.output_tokens"
CACHED_TOKENS_OF: Final = "gen_ai.usage.{modality}.cache_read.input_tokens"

TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"

TOKEN_TYPE: Final = "gen_ai.token.type"
TOKEN_MODALITY: Final = "gen_ai.token.modality"

ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# --- attributes of the conventions that hold content ---

SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"

# --- attributes of our own ---

SESSION_KIND: Final = "gen_ai.realtime.session.kind"
END_REASON: Final = "gen_ai.realtime.session.end_reason"
CLOSE_CODE: Final = "gen_ai.realtime.session.close_code"
VOICE: Final = "gen_ai.realtime.voice"
TURN_ID: Final = "gen_ai.realtime.turn.id"
ITEM_ID: Final = "gen_ai.realtime.item.id"
STATUS: Final = "gen_ai.realtime.response.status"
MODALITIES: Final = "gen_ai.realtime.response.modalities"
OUT_OF_BAND: Final = "gen_ai.realtime.response.out_of_band"
FIRST_AUDIO: Final = "gen_ai.realtime.time_to_first_audio"  # also a metric
FIRST_TEXT: Final = "gen_ai.realtime.time_to_first_text"
VOICE_TO_VOICE: Final = "gen_ai.realtime.voice_to_voice_latency"  # also a metric
USAGE_SECONDS: Final = "gen_ai.realtime.usage.audio_seconds"
AUDIO_START_MS: Final = "gen_ai.realtime.speech.start_ms"
AUDIO_END_MS: Final = "gen_ai.realtime.speech.end_ms"
TOOL_OUTCOME: Final = "gen_ai.realtime.tool.outcome"
MCP_SERVER: Final = "gen_ai.realtime.mcp.server_label"
HEARD_MS: Final = "gen_ai.realtime.interruption.heard_ms"
ERROR_KIND: Final = "gen_ai.realtime.error.kind"
ERROR_MESSAGE: Final = "gen_ai.realtime.error.message"  # content
SECONDS_LEFT: Final = "gen_ai.realtime.session.seconds_left"

# --- events ---

INTERRUPTION: Final = "gen_ai.realtime.interruption"
ERROR: Final = "gen_ai.realtime.error"
CONNECTION_LOST: Final = "gen_ai.realtime.connection_lost"
SESSION_RESTORED: Final = "gen_ai.realtime.session_restored"
SESSION_EXPIRING: Final = "gen_ai.realtime.session_expiring"

# --- metrics ---

OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"
CACHED_TOKEN_USAGE: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
TOOL_DURATION: Final = "gen_ai.execute_tool.duration"
SESSION_DURATION: Final = "gen_ai.realtime.session.duration"
ACTIVE_SESSIONS: Final = "gen_ai.realtime.active_sessions"
INTERRUPTIONS: Final = "gen_ai.realtime.interruptions"
ERRORS: Final = "gen_ai.realtime.errors"

# --- values of gen_ai.provider.name that the conventions spell in another way ---

PROVIDERS: Final = {
    "azure-openai": "azure.ai.openai",
    "azure-openai-preview": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "xai": "x_ai",
}

CAPTURE_CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
