"""The rules as data: what in a clause of English speech is a commitment, a request or a decision.

A person looks at each proposal, and a wrong one costs more than a missed one: where a rule is unsure, it is silent.
"""

import re

from msgspec import Struct

from adapters.rules.english import ADVERBS, DEED, ERRAND, LEAD, NUMBER


class Rule(Struct, frozen=True):
    """`pattern` finds the trigger; its group `what` is the content. `reason` is for the approver and quotes nobody."""

    name: str
    tool: str
    pattern: re.Pattern[str]
    reason: str
    own: bool = False
    """The speaker speaks for themselves, or for a group that they belong to."""
    asks: bool = False
    """It may be put as a question."""
    needs_due: bool = False
    """Too weak a trigger unless a time is named."""
    telling_words_min: int = 2
    """So many words of the content must say something (see EMPTY_WORDS)."""


def _pattern(trigger: str) -> re.Pattern[str]:
    return re.compile(LEAD + trigger, re.IGNORECASE)


RULES = (
    Rule(
        "decision told",
        "note",
        _pattern(
            r"we(?:'ve| have)? (?:all |just |finally )?(?P<what>(?:decided|agreed|settled)(?: to| on| that)? \w.*)"
        ),
        "someone says that the group has decided.",
    ),
    Rule(
        "choice made",
        "note",
        _pattern(
            rf"(?:let's|let us|we'll|we will|we're going to|we're gonna) {ADVERBS}"
            r"(?P<what>(?:go (?:for|with)|stick (?:with|to)|settle (?:for|on)|use|keep|drop|skip|postpone) "
            r"(?!going|moving|(?:a|some) (?:break|drink|coffee|walk))\w.*)"
        ),
        "someone settles on one way to go.",
        telling_words_min=1,
    ),
    Rule(
        "agreement",
        "note",
        _pattern(
            r"(?:agreed|(?:it's|that's|it is) (?:agreed|decided|settled)|the decision is)(?:[,:]| –| that| to)"
            r" (?P<what>(?:(?:so|then) )?(?:we|the|no|only|from|all|everyone|\w{2,20} (?:will|takes|gets|goes))\b.*)"
        ),
        "someone states an agreement and what it is.",
    ),
    Rule(
        "assumption fixed",
        "note",
        _pattern(r"we(?:'ll| will)? just say (?P<what>(?:that|it)\b.*)"),
        "someone fixes an assumption for the group.",
    ),
    Rule(
        "target set",
        "note",
        _pattern(
            r"(?P<what>(?:the|our) (?:[\w-]{1,20} ){0,3}(?:goals?|aims?|targets?|budget|prices?|costs?|deadline)"
            rf"(?: (?:of|for) the \w{{1,20}})? (?:is|are|will be|must be|has to be|should be) (?:to \w|{NUMBER}).*)"
        ),
        "someone names the goal, the price or the budget that holds.",
    ),
    Rule(
        "requirement set",
        "note",
        _pattern(r"(?P<what>(?:it|(?:the|our)(?: [\w-]{1,20}){1,3}) (?:has to|must) be (?!sure\b|like\b)\w.*)"),
        "someone states what the result must be like.",
    ),
    Rule(
        "plan of the group",
        "note",
        _pattern(rf"we(?:'re| are) (?:going to|gonna) {DEED}"),
        "someone announces what the group is going to do.",
    ),
    Rule(
        "request",
        "reminder",
        _pattern(
            r"(?:could you|would you(?! (?:use|buy|go|choose|pick|do|need|pay|recommend|expect|know)\b)"
            r"|(?:can|could|would) (?:someone|somebody|anyone|one of you)|can you(?=.{0,200}\bplease\b))"
            rf" {ERRAND}"
        ),
        "someone asks another person to do something.",
        asks=True,
    ),
    Rule(
        "request with please",
        "reminder",
        _pattern(rf"please {ERRAND}"),
        "someone asks politely for something to be done.",
        asks=True,
    ),
    Rule(
        "request to be told",
        "reminder",
        _pattern(r"(?P<what>let (?:me|us) know (?:when|if|whether|what|who|by|which|as soon as)\b.*)"),
        "someone asks to be told about something.",
    ),
    Rule(
        "request to make sure",
        "reminder",
        _pattern(
            r"(?:(?:you|we) (?:(?:just )?(?:have|need) to )?|please )?"
            r"(?P<what>(?:make sure|(?:remember|don't forget|not forget) to"
            r"|(?:remember|don't forget|keep in mind) that) \w.*)"
        ),
        "someone asks that something be made sure of or not be forgotten.",
    ),
    Rule(
        "task for others",
        "reminder",
        _pattern(
            rf"you(?: all| guys| both| two)?(?: will|'ll|'d)? {ADVERBS}(?:have to|need to|must) "
            rf"(?!.*\bif you (?:want|like)\b){DEED}"
        ),
        "someone tells others what they have to do.",
    ),
    Rule(
        "promise",
        "reminder",
        _pattern(rf"(?:I'll|I will|I shall|I'm going to|I'm gonna|I am going to) {DEED}"),
        "the speaker says what they will do.",
        own=True,
    ),
    Rule(
        "offer",
        "reminder",
        _pattern(rf"let me {DEED}"),
        "the speaker offers to do something.",
        own=True,
    ),
    Rule(
        "task of the group",
        "reminder",
        _pattern(rf"we(?:'ll| will|'ve)? {ADVERBS}(?:need to|have to|must|got to|gotta|have got to) {DEED}"),
        "the speaker says what the group has to do.",
        own=True,
    ),
    Rule(
        "promise of the group",
        "reminder",
        _pattern(rf"we(?:'ll| will) {DEED}"),
        "the speaker says what the group will do.",
        own=True,
    ),
    Rule(
        "next meeting",
        "reminder",
        _pattern(
            r"(?:(?:I'll|we'll|let's|I will|we will) )?(?P<what>(?:see you|meet|meet again"
            r"|(?:the|our) next (?:meeting|call|session) (?:is|starts|will (?:be|start))) .*)"
        ),
        "someone says when the group meets again.",
        needs_due=True,
    ),
    Rule(
        "task with a time",
        "reminder",
        _pattern(
            rf"{ADVERBS}(?P<what>(?:bring|call|check|collect|come up with|draft|find|finish|fix|prepare|read|review"
            r"|send|test|update|write) \w.*)"
        ),
        "someone names a task and a time for it.",
        needs_due=True,
    ),
    Rule(
        "suggestion with a time",
        "reminder",
        _pattern(rf"(?:I|we) {ADVERBS}(?:should|ought to) {DEED}"),
        "the speaker suggests that something be done by a time.",
        own=True,
        needs_due=True,
    ),
)
