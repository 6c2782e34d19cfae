import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from stele.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ActionProposed(_message.Message):
    __slots__ = ("action_id", "space_id", "tool", "title", "arguments_json", "arguments_sha256", "rationale", "rests_on", "person_ids")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    RATIONALE_FIELD_NUMBER: _ClassVar[int]
    RESTS_ON_FIELD_NUMBER: _ClassVar[int]
    PERSON_IDS_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    space_id: str
    tool: str
    title: str
    arguments_json: str
    arguments_sha256: str
    rationale: str
    rests_on: _containers.RepeatedScalarFieldContainer[int]
    person_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, action_id: _Optional[str] = ..., space_id: _Optional[str] = ..., tool: _Optional[str] = ..., title: _Optional[str] = ..., arguments_json: _Optional[str] = ..., arguments_sha256: _Optional[str] = ..., rationale: _Optional[str] = ..., rests_on: _Optional[_Iterable[int]] = ..., person_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ActionApproved(_message.Message):
    __slots__ = ("action_id", "space_id", "tool", "arguments_sha256", "policy_version", "approved_by", "expires_at")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    space_id: str
    tool: str
    arguments_sha256: str
    policy_version: int
    approved_by: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, action_id: _Optional[str] = ..., space_id: _Optional[str] = ..., tool: _Optional[str] = ..., arguments_sha256: _Optional[str] = ..., policy_version: _Optional[int] = ..., approved_by: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ActionRejected(_message.Message):
    __slots__ = ("action_id", "space_id", "rejected_by", "reason")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    REJECTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    space_id: str
    rejected_by: str
    reason: str
    def __init__(self, action_id: _Optional[str] = ..., space_id: _Optional[str] = ..., rejected_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ActionStarted(_message.Message):
    __slots__ = ("action_id", "space_id", "attempt_id", "executor", "lease_expires_at")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    space_id: str
    attempt_id: str
    executor: str
    lease_expires_at: _timestamp_pb2.Timestamp
    def __init__(self, action_id: _Optional[str] = ..., space_id: _Optional[str] = ..., attempt_id: _Optional[str] = ..., executor: _Optional[str] = ..., lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ActionSucceeded(_message.Message):
    __slots__ = ("action_id", "space_id", "attempt_id", "result_json")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    space_id: str
    attempt_id: str
    result_json: str
    def __init__(self, action_id: _Optional[str] = ..., space_id: _Optional[str] = ..., attempt_id: _Optional[str] = ..., result_json: _Optional[str] = ...) -> None: ...

class ActionFailed(_message.Message):
    __slots__ = ("action_id", "space_id", "code", "detail", "attempt_id")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_ID_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    space_id: str
    code: str
    detail: str
    attempt_id: str
    def __init__(self, action_id: _Optional[str] = ..., space_id: _Optional[str] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., attempt_id: _Optional[str] = ...) -> None: ...

class ActionOutcomeUnknown(_message.Message):
    __slots__ = ("action_id", "space_id", "attempt_id")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_ID_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    space_id: str
    attempt_id: str
    def __init__(self, action_id: _Optional[str] = ..., space_id: _Optional[str] = ..., attempt_id: _Optional[str] = ...) -> None: ...
