"""Throws of dice: a modality outside Castalia, as small as one can be, for the tests."""

from castalia.modality import Modality, Named

MODALITY = Modality(
    name="dice",
    about="throws of dice: .dice",
    package="dice",
    item="series",
    items="series of throws",
    codec="dice.codec:DiceCodec",
    first="dice/ar",
    base="dice/ar",
    check="dice.check:DiceCheck",
    presenter="dice.presenter:DicePresenter",
    tables="dice.tables:tables",
    metrics={"pips": Named("dice.pips:Pips", "mean of the throws")},
    edits={"rethrow": Named("dice.edits:Rethrow", "low throws made anew")},
    titles={"pips": "Mean of the throws"},
    media={".dice": "text/x-dice"},
)
