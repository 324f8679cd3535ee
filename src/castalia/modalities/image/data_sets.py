"""Built-in pictures: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "digits": DataSet(
        "1,797 handwritten digits, 8x8 grey, 10 classes",
        "CC BY 4.0; Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, "
        "UCI Machine Learning Repository, 1998",
    ),
    "fashion": DataSet(
        "5,000 pictures of clothing, 28x28 grey, 10 classes (part of Fashion-MNIST)",
        "MIT; Copyright 2017 Zalando SE",
    ),
}
