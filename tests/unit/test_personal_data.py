"""Personal data: every sort with right and wrong check digits, what must not be taken for it, and
masks that keep the secret.
"""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from castalia.text_files import personal_data

ID = "11010519491231002X"  # the worked example of GB 11643-1999
# issuers' own test numbers
CARDS = (
    "4111111111111111",
    "5500000000000004",
    "340000000000009",
    "6222021234567890128",
    "3530111333300000",
)
# the examples of ISO 13616's registry
IBANS = ("GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "NO9386011117947")


def kinds(text: str) -> list[tuple[str, str]]:
    return [(found.kind, text[found.start : found.stop]) for found in personal_data.find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("写信到 zhang.san@example.com.cn，谢谢", "email", "zhang.san@example.com.cn"),
        ("mail a.b+c@mail.co.", "email", "a.b+c@mail.co"),
        ("电话13812345678。", "mobile_cn", "13812345678"),
        ("电话：１３８１２３４５６７８", "mobile_cn", "１３８１２３４５６７８"),
        ("tel +86 139-1234-5678!", "mobile_cn", "+86 139-1234-5678"),
        ("办公室 010-62751234 转 3", "phone", "010-62751234"),
        ("(021)62345678", "phone", "(021)62345678"),
        ("call +44 20 7946 0958 now", "phone", "+44 20 7946 0958"),
        ("call (212) 555-0187 now", "phone", "(212) 555-0187"),
        (f"身份证{ID}。", "id_cn", ID),
        (f"身份证 {ID.lower()}", "id_cn", ID.lower()),
        ("server 93.184.216.34 is up", "ipv4", "93.184.216.34"),
        ("pay GB82 WEST 1234 5698 7654 32, please", "iban", IBANS[0]),
        ("card 4111 1111 1111 1111 exp", "bank_card", "4111 1111 1111 1111"),
        ("numbers 12 4111 1111 1111 1111 7", "bank_card", "4111 1111 1111 1111"),
        *[(f"卡号{card}，", "bank_card", card) for card in CARDS],
        *[(f"to {iban} today", "iban", iban) for iban in IBANS],
    ],
)
def test_found(text: str, kind: str, value: str):
    assert kinds(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "订单号20240115138123456789",  # a mobile number inside an order number
        "order 202401151381234567",
        "ISBN 978-7-5327-1234-5",
        "ISBN 9787532712345",
        "v93.184.216.34 and version 93.184.216.34, 版本号：93.184.216.34, section 8.2.1.4",
        "93.184.216.34.5",
        "192.168.1.1 10.0.0.1 127.0.0.1 192.0.2.7",
        "999.88.8.8 88.8.08.8",
        "on 2024-01-15 at 10.15.2024, 1995-1996 2001-2002",
        "1,234,567.89 or 3.14159265358979",
        "12812345678",  # no mobile number begins so
        "1381234567890",
        "sha 4111111111111111a and x4111111111111111",
        "0000000000000000 4444444444444444",
        "me@home, @twitter, a@b.c",
        "GB82 WEST 1234 5698 7654 33",
        "XX89370400440532013000",
        "id=4111111111111111/2",
    ],
)
def test_not_found(text: str):
    assert kinds(text) == []


def test_every_other_check_character_of_an_identity_number_is_wrong():
    right = [
        character for character in "0123456789X" if personal_data.chinese_id(ID[:17] + character)
    ]
    assert right == ["X"]
    assert not personal_data.chinese_id("99" + ID[2:]) and not personal_data.chinese_id(
        ID[:10] + "0230" + ID[14:]
    )


@given(st.integers(0, 10**16 - 1))
def test_luhn_knows_one_digit_in_ten_and_every_single_error(number: int):
    digits = f"{number:016d}"
    right = [last for last in string.digits if personal_data.luhn(digits + last)]
    assert len(right) == 1
    whole = digits + right[0]
    place = number % 17
    assert not any(
        personal_data.luhn(whole[:place] + other + whole[place + 1 :])
        for other in string.digits
        if other != whole[place]
    )


@pytest.mark.parametrize("card", CARDS)
def test_a_card_with_a_wrong_check_digit_is_an_order_number(card: str):
    wrong = card[:-1] + str((int(card[-1]) + 1) % 10)
    assert kinds(f"no. {wrong} ") == []


@pytest.mark.parametrize("iban", IBANS)
def test_iban_is_97_or_nothing(iban: str):
    assert personal_data.iban(iban)
    assert not personal_data.iban(
        iban[:-1] + str((int(iban[-1]) + 1) % 10)
    ) and not personal_data.iban(iban + "0")


def test_random_digits_are_hardly_ever_something():
    rng = random.Random(0)
    numbers = [
        "".join(rng.choices(string.digits, k=rng.choice((8, 10, 12, 16, 18, 20))))
        for _ in range(4000)
    ]
    found = sum(bool(kinds(f"no. {number}, ")) for number in numbers)
    assert found < 0.01 * len(numbers)  # cards: issuers' prefixes and a tenth of those


@pytest.mark.parametrize(
    "text",
    [
        f"a {ID} b",
        f"a {CARDS[0]} b",
        f"a {IBANS[1]} b",
        "a li.lei@example.com b",
        "a 13812345678 b",
        "a 93.184.216.34 b",
        "a +44 20 7946 0958 b",
    ],
)
def test_masks_keep_the_secret(text: str):
    (found,) = personal_data.find(text)
    value, shown = text[found.start : found.stop], personal_data.shown(text, found)
    assert "*" in shown and value not in shown
    kept = sum(character.isalnum() for character in shown)
    assert kept <= max(4, 0.55 * sum(character.isalnum() for character in value))
    assert personal_data.masked(text) == f"a {shown} b"
    assert list(personal_data.find(personal_data.masked(text))) == []


def test_masked_leaves_everything_else_alone():
    text = "你好，8 apples, 2024-01-15\n电话 13812345678 / 13912345678"
    assert (
        personal_data.masked(text) == "你好，8 apples, 2024-01-15\n电话 138******78 / 139******78"
    )
