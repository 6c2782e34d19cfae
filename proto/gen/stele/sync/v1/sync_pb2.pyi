from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RefetchReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFETCH_REASON_UNSPECIFIED: _ClassVar[RefetchReason]
    REFETCH_REASON_STALE: _ClassVar[RefetchReason]
    REFETCH_REASON_AHEAD: _ClassVar[RefetchReason]
    REFETCH_REASON_EPOCH: _ClassVar[RefetchReason]
    REFETCH_REASON_PROJECTION_VERSION: _ClassVar[RefetchReason]
    REFETCH_REASON_SCOPE_LOST: _ClassVar[RefetchReason]
REFETCH_REASON_UNSPECIFIED: RefetchReason
REFETCH_REASON_STALE: RefetchReason
REFETCH_REASON_AHEAD: RefetchReason
REFETCH_REASON_EPOCH: RefetchReason
REFETCH_REASON_PROJECTION_VERSION: RefetchReason
REFETCH_REASON_SCOPE_LOST: RefetchReason

class ClientMessage(_message.Message):
    __slots__ = ("hello", "subscribe", "unsubscribe", "heartbeat")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    UNSUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    subscribe: Subscribe
    unsubscribe: Unsubscribe
    heartbeat: Heartbeat
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., subscribe: _Optional[_Union[Subscribe, _Mapping]] = ..., unsubscribe: _Optional[_Union[Unsubscribe, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("welcome", "subscribed", "batch", "unsubscribed", "heartbeat", "must_refetch", "error")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    UNSUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    MUST_REFETCH_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    subscribed: Subscribed
    batch: Batch
    unsubscribed: Unsubscribed
    heartbeat: ServerHeartbeat
    must_refetch: MustRefetch
    error: Error
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., subscribed: _Optional[_Union[Subscribed, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., unsubscribed: _Optional[_Union[Unsubscribed, _Mapping]] = ..., heartbeat: _Optional[_Union[ServerHeartbeat, _Mapping]] = ..., must_refetch: _Optional[_Union[MustRefetch, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "token", "client")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    protocol: str
    token: str
    client: str
    def __init__(self, protocol: _Optional[str] = ..., token: _Optional[str] = ..., client: _Optional[str] = ...) -> None: ...

class Subscribe(_message.Message):
    __slots__ = ("id", "topic", "space", "after")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    id: int
    topic: str
    space: str
    after: str
    def __init__(self, id: _Optional[int] = ..., topic: _Optional[str] = ..., space: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class Unsubscribe(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "agent_id", "epoch", "heartbeat_seconds")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    protocol: str
    agent_id: str
    epoch: str
    heartbeat_seconds: float
    def __init__(self, protocol: _Optional[str] = ..., agent_id: _Optional[str] = ..., epoch: _Optional[str] = ..., heartbeat_seconds: _Optional[float] = ...) -> None: ...

class Subscribed(_message.Message):
    __slots__ = ("id", "topic", "head")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    id: int
    topic: str
    head: str
    def __init__(self, id: _Optional[int] = ..., topic: _Optional[str] = ..., head: _Optional[str] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("id", "topic", "entries", "cursor", "head", "caught_up")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    id: int
    topic: str
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    cursor: str
    head: str
    caught_up: bool
    def __init__(self, id: _Optional[int] = ..., topic: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., cursor: _Optional[str] = ..., head: _Optional[str] = ..., caught_up: _Optional[bool] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("key", "position", "value", "deleted")
    KEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    key: str
    position: int
    value: _struct_pb2.Struct
    deleted: bool
    def __init__(self, key: _Optional[str] = ..., position: _Optional[int] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., deleted: _Optional[bool] = ...) -> None: ...

class Unsubscribed(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class ServerHeartbeat(_message.Message):
    __slots__ = ("heads",)
    HEADS_FIELD_NUMBER: _ClassVar[int]
    heads: _containers.RepeatedCompositeFieldContainer[Head]
    def __init__(self, heads: _Optional[_Iterable[_Union[Head, _Mapping]]] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("id", "cursor", "head")
    ID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    id: int
    cursor: str
    head: str
    def __init__(self, id: _Optional[int] = ..., cursor: _Optional[str] = ..., head: _Optional[str] = ...) -> None: ...

class MustRefetch(_message.Message):
    __slots__ = ("id", "topic", "reason", "cursor", "detail")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    id: int
    topic: str
    reason: RefetchReason
    cursor: str
    detail: str
    def __init__(self, id: _Optional[int] = ..., topic: _Optional[str] = ..., reason: _Optional[_Union[RefetchReason, str]] = ..., cursor: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("id", "code", "detail")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    id: int
    code: str
    detail: str
    def __init__(self, id: _Optional[int] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...
