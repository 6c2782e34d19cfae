"""The default planner: works offline, from rules alone, and says the same of the same words every time."""

from adapters.rules import speech
from adapters.rules.english import CLAUSE_END, DUE, EMPTY_WORDS, HYPOTHETICAL, NEGATION, TAG, WORD
from adapters.rules.rules import RULES, Rule
from domain.ports import Proposal, Utterance

TITLE_CHARS_MAX = 120
"""A title is read in a list, on one line."""
PROPOSALS_PER_UTTERANCE_MAX = 4
"""A monologue full of triggers must not flood the approvers; what comes after the fourth is left out."""
WORDS_MIN = 3
"""Less than this after a trigger is talk, not a task."""


class RulePlanner:
    """A Planner for English: finds commitments, requests and decisions, and proposes a `reminder` or a `note`.

    It keeps nothing, and knows nothing but the utterance. A time that was named (`due`) stays in the speaker's words:
    which date "Friday" is, is for the approver or the tool to tell.
    """

    async def plan(self, utterance: Utterance) -> list[Proposal]:
        proposals: dict[str, Proposal] = {}
        for sentence in speech.sentences(utterance.text):
            for clause in CLAUSE_END.split(sentence):
                proposal = _propose(utterance, sentence, clause)
                if proposal is not None:
                    proposals.setdefault(proposal.title.casefold(), proposal)
                if len(proposals) == PROPOSALS_PER_UTTERANCE_MAX:
                    return list(proposals.values())
        return list(proposals.values())


def _propose(utterance: Utterance, sentence: str, clause: str) -> Proposal | None:
    """What the rule that fits first in the clause makes of it. `text` is the whole sentence, for its context."""
    due = DUE.search(clause)
    is_question = sentence.endswith("?")
    fits = [
        (start, rule, what)
        for rule in RULES
        if (rule.asks or not is_question) and (due or not rule.needs_due)
        for start, what in _content(rule, clause)
    ]
    if not fits:
        return None
    _, rule, what = min(fits, key=lambda fit: fit[0])  # at the same place, the rule that comes first in the table
    arguments: dict[str, object] = {"text": sentence, "person_id": str(utterance.person_id)}
    if rule.tool == "note":
        arguments["kind"] = "decision"
    elif due:
        arguments["due"] = due[0]
    if rule.own:
        arguments["about"] = speech.one_line(utterance.speaker)
    return Proposal(
        tool=rule.tool,
        title=speech.cut(what[0].upper() + what[1:], TITLE_CHARS_MAX),
        arguments=arguments,
        rationale=f"Rule “{rule.name}”: {rule.reason}",
        rests_on=(utterance.position,),
    )


def _content(rule: Rule, clause: str) -> list[tuple[int, str]]:
    """Where the rule fits and the words that it is about, without what trails; nothing when they say too little."""
    found = rule.pattern.search(clause)
    if found is None:
        return []
    before = clause[: found.start()]
    if HYPOTHETICAL.search(before) or NEGATION.search(before):
        return []
    what = TAG.sub("", found["what"])
    words = [word.casefold() for word in WORD.findall(what)]
    telling = sum(word not in EMPTY_WORDS for word in words)
    return [(found.start(), what)] if len(words) >= WORDS_MIN and telling >= rule.telling_words_min else []
