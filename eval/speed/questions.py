"""What is asked, and how long each question takes."""

from __future__ import annotations

import time
from collections.abc import Callable

COLD = "how long is data retained?"

# No question names a company: each is put to every policy, which is the most work there is.
QUESTIONS = tuple(
    question.strip()
    for question in """
    What personal information do you collect when I sign up?
    Is my IP address logged when I visit the website?
    Do you store my payment details?
    What happens to the call recordings you make?
    Is information about my device or browser collected?
    Do you know where I am from my phone's location?
    Why is my data processed?
    On which legal basis is personal data handled?
    Can my information be used to send me newsletters?
    How do I stop marketing e-mails?
    Who are the third parties that receive my information?
    Is personal data sold or rented to anyone?
    What happens to my data if the company is acquired or goes bankrupt?
    Will my details be handed to the police or a court?
    Do advertisers get to see which pages I viewed?
    Are service providers allowed to use my data for their own purposes?
    Is my data transferred outside the European Economic Area?
    In which country are the servers?
    When are old messages deleted?
    How many days after a trial ends is usage data removed?
    How can I have my account erased?
    May I ask for a copy of everything you hold about me?
    How do I correct a wrong phone number?
    Can I object to the processing of my data?
    Do I have a right to data portability?
    How quickly do you reply to a request about my rights?
    Does it cost anything to access my data?
    Which cookies are set, and when do they expire?
    Can I use the site with cookies switched off?
    Is Google Analytics used?
    Does the site react to Do Not Track signals?
    Is data encrypted in transit and at rest?
    What is done to keep hackers out?
    Will I be told about a data breach?
    From what age may children use the service?
    What happens if a child has given you personal data?
    Are links to other websites covered by this policy?
    How will I learn that the policy has changed?
    Whom do I write to about a privacy complaint?
    Which supervisory authority can I turn to?
    What do you do with the CV in my job application?
    Are there cameras in the office?
    """.strip().splitlines()
)


def time_questions(answer: Callable[[str], object]) -> list[float]:
    """Return the seconds of each question, after an uncounted one that loads what is needed."""
    answer(COLD)
    return [_seconds(answer, question) for question in QUESTIONS]


def _seconds(answer: Callable[[str], object], question: str) -> float:
    started = time.perf_counter()
    answer(question)
    return time.perf_counter() - started
