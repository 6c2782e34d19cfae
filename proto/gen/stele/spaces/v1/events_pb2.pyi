from stele.options.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class SpaceCreated(_message.Message):
    __slots__ = ("space_id", "name", "title")
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    space_id: str
    name: str
    title: str
    def __init__(self, space_id: _Optional[str] = ..., name: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...
