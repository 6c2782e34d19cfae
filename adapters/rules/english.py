"""The English that the rules share: where a clause begins and ends, what is doubtful or empty, how a time is named."""

import re

NUMBER_WORD = (
    r"(?:(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    r"(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:a )?(?:hundred|thousand|million)|half)\b"
)
NUMBER = (
    r"(?:(?:not |no )?(?:more than|less than|at most|at least|about|around|under|below|exactly) )?"
    rf"(?:[€$£]?\d|{NUMBER_WORD})"
)

LEAD = (
    r"(?:^\W{0,3}|[,;:–—] |\b(?:and|so|but|then|now|okay|ok|well|yeah|yes|right|alright|sure|think|guess|I suppose|mean"
    r"|also|first|because|'cause|anyway|actually|just|(?:is|think|mean|guess|suppose) that"
    r"|time|meeting|tomorrow|\w{3,6}day|minutes|hours|days|weeks?|month) )"
)
"""A trigger counts at the start of a clause. Elsewhere it is mostly told, asked or relative: “what we have to know”."""

ADVERBS = (
    r"(?:(?:just|also|then|now|really|probably|definitely|still|all|first|please|quickly|certainly|kindly) ){0,3}+"
)
# Talk about talking, states, and places to go to: nobody can be reminded of them.
_NO_DEED = (
    r"(?:not|never|say|said|see|admit|assume|guess|bet|know|think|like|love|hope|repeat|explain|have to say"
    r"|(?:tell|show|ask) you|(?:present|introduce) (?:myself|you)|finish my|start by|go first|get used"
    r"|share (?:my|the) screen|pull up|move on|rephrase|clarify|interrupt|mute|unmute"
    r"|the|an?|my|our|your|this|that|these)\b"
)
# What one asks to follow the talk, or for courtesy.
_NO_ERRAND = (
    r"(?:hear|see|say|repeat|explain|believe|imagine|remember|think|like|agree|prefer|rather|want|be|have (?!a look)"
    r"|wait|hold|excuse|forgive|go ahead|sit|come again|speak up|not|tell (?:me|us) (?:what|why|how|again))\b"
)
DEED = rf"{ADVERBS}(?:(?:have|need|try) to )?+(?!{_NO_DEED})(?:be (?=\w{{2,20}}ing\b))?(?!be\b)(?P<what>\w.*)"
"""What someone undertakes."""
ERRAND = rf"(?:mind |be able to |be so kind as to )?{ADVERBS}(?!{_NO_ERRAND})(?P<what>\w.*)"
"""What someone is asked to do."""

_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_OCCASION = r"(?:meeting|time|week|weekend|month|quarter|year|sprint|call|review|demo|session|deadline)"
_PART = r"(?: (?:morning|afternoon|evening|night|noon))?"
_MOMENT = (
    rf"(?:(?:(?:next|this|coming) )?{_WEEKDAY}{_PART}|(?:the day after )?tomorrow{_PART}"
    r"|tonight|today|noon|midnight|lunch"
    r"|(?:the )?end of (?:the |this |next )?(?:day|week|month|quarter|year|sprint|meeting)"
    rf"|(?:(?:the|our) )?(?:next|coming) {_OCCASION}|(?:the )?\d{{1,2}}(?:st|nd|rd|th)(?: of {_MONTH})?"
    rf"|{_MONTH}(?: \d{{1,2}})?|\d{{4}}-\d\d-\d\d|\d{{1,2}}:\d\d|\d{{1,2}} ?[ap]m|(?:\d{{1,2}}|{NUMBER_WORD}) o'clock)"
)
DUE = re.compile(
    rf"\b(?:(?:by|before|until|till|on|at|for|after) {_MOMENT}"
    rf"|(?:by|before|until|till|after) (?:the|this|our) {_OCCASION}"
    rf"|(?:this|next) (?:{_WEEKDAY}|week|month|quarter|year|sprint|morning|afternoon|evening)"
    rf"|tomorrow{_PART}|tonight|later today|first thing"
    r"|(?:with)?in (?:about |another |less than )?(?:an?|half an|a few|a couple of|\d{1,3}|"
    rf"{NUMBER_WORD}) (?:minutes?|hours?|days?|weeks?|months?))\b",
    re.IGNORECASE,
)
"""A time that something is to be done by, in the speaker's words."""

CLAUSE_END = re.compile(
    r"(?:,| –) (?=(?:and(?: then| so)?|so|but|then|because|'cause) "
    r"(?:I|we|you|it|they|the|that|there|please|let|could|can)\b)",
    re.IGNORECASE,
)
"""“…, so we need to” begins a thought of its own; “if …, we need to” does not, so a bare comma does not divide."""

HYPOTHETICAL = re.compile(
    r"\b(?:if|whether|unless|when|whenever|(?<!\bI )suppose|imagine|pretend|would|wish|thought|maybe|perhaps)\b",
    re.IGNORECASE,
)
"""Before a trigger: what follows is not meant, or not yet."""
NEGATION = re.compile(r"(?:n't|\b(?:not|never|nobody|no one|doubt|dunno))\b[^,;–]*$", re.IGNORECASE)
"""Before a trigger, with no comma between: what follows is denied."""

TAG = re.compile(
    r"(?:(?: ?[,–] ?(?:so|yeah|yes|okay|right|you know|I think|I guess|I dunno|I don't know|please|then)"
    r"| (?:so|and|but|or|yeah|please|then))(?=[ ,.;:?!–]|$))*+[ ,.;:?!–]*+$",
    re.IGNORECASE,
)
"""What trails after the point was made."""

WORD = re.compile(r"[\w'-]+")
EMPTY_WORDS = frozenset(
    WORD.findall(
        "a an the this that these those it its it's that's there there's here now later then again soon just also "
        "very too really so and or but of to in on at up for from with about around round over out into by as than "
        "is are was be am been being do does did doing done have has had having get gets getting got go goes going "
        "come take make use put see say try let want thing things something anything everything stuff way one ones "
        "bit lot some any all much many more most well okay yeah i me my i'll i'm you your you'll we us our we'll "
        "we're he she they them him her his their who what where when which how why if not no can could will would "
        "shall should must may might first next maybe like kind sort"
    )
)
"""Words that say nothing alone: nobody could act on a clause that has no others."""
