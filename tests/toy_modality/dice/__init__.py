"""Throws of dice: a modality outside Castalia, as small as one can be, for the tests."""

from castalia.modality import Modality, Named
from castalia.sentences import say

MODALITY = Modality(
    name="dice",
    about="throws of dice: .dice",
    package="dice",
    item="series",
    items=say("series of throws"),
    codec="dice.codec:DiceCodec",
    first="dice/ar",
    base="dice/ar",
    check="dice.check:DiceCheck",
    presenter="dice.presenter:DicePresenter",
    tables="dice.tables:tables",
    metrics={"pips": Named("dice.pips:Pips", "mean of the throws")},
    edits={"rethrow": Named("dice.edits:Rethrow", "low throws made anew")},
    titles={"pips": say("Mean of the throws"), "bits-per-throw": say("Bits per throw")},
    media={".dice": "text/x-dice"},
)
