"""The contract of a loader, which reads a file format, as a test class to inherit."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from indexes.errors import BadFile
from indexes.loaders import load
from indexes.loaders.assembly import Parsed
from indexes.loaders.documents import DocumentFormat, format_of
from indexes.loaders.isolation import Isolation

_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_N_DAMAGED = 12


class LoaderContract:
    """Tests that every loader in `indexes.loaders.documents.LOADERS` must pass.

        class TestMine(LoaderContract):
            suffix = ".odt"

            @pytest.fixture
            def sample(self):
                return Path("letter.odt").read_bytes()

            @pytest.fixture
            def words(self):
                return "Dear Ada"

    `sample` is the content of a file in the format, which contains the text `words`. The loader must be
    registered for `suffix`, by an installed entry point unless it is built in.
    """

    suffix: str

    @pytest.fixture
    def loader(self) -> DocumentFormat:
        """The format registered for the suffix."""
        found = format_of(self.suffix)
        assert found is not None, f"no loader is registered for {self.suffix}"
        assert found.available
        return found

    @pytest.fixture
    def parsed(self, loader: DocumentFormat, sample: bytes) -> Parsed:
        """The parsed sample."""
        return loader.read(sample)

    def test_the_text_is_read(self, parsed: Parsed, words: str) -> None:
        assert words in parsed.text

    def test_the_same_bytes_give_the_same_document(
        self, loader: DocumentFormat, parsed: Parsed, sample: bytes
    ) -> None:
        assert loader.read(sample) == parsed

    def test_text_and_titles_can_be_stored(self, parsed: Parsed) -> None:
        for text in (parsed.text, parsed.title, *(section.title for section in parsed.sections)):
            assert _UNSTORABLE.search(text.replace("\f", "")) is None
            text.encode()

    def test_sections_are_in_order_within_the_text_and_do_not_overlap(self, parsed: Parsed) -> None:
        end = 0
        for section in parsed.sections:
            assert end <= section.start < section.stop <= len(parsed.text)
            assert section.page is None or section.page > 0
            assert section.line is None or section.line > 0
            end = section.stop

    def test_it_survives_conversion_to_json_and_back(self, parsed: Parsed) -> None:
        assert Parsed.from_json(parsed.as_json()) == parsed

    def test_it_is_read_in_a_worker_process(self, parsed: Parsed, sample: bytes, tmp_path: Path) -> None:
        path = tmp_path / f"sample{self.suffix}"
        path.write_bytes(sample)
        with Isolation() as isolation:
            assert isolation.parse(path, self.suffix) == parsed

    def test_it_is_found_in_a_folder(self, sample: bytes, words: str, tmp_path: Path) -> None:
        (tmp_path / f"sample{self.suffix}").write_bytes(sample)
        [document] = load([tmp_path])
        assert words in document.text

    @pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "flipped"])
    def test_a_damaged_file_is_read_or_refused_in_one_line(
        self, sample: bytes, damage: str, tmp_path: Path
    ) -> None:
        chance = random.Random(damage)  # noqa: S311 - the same damage at every run
        damaged = {
            "empty": [b""],
            "garbage": [chance.randbytes(2_000)],
            "truncated": [sample[: len(sample) * part // _N_DAMAGED] for part in range(1, _N_DAMAGED)],
            "flipped": [_flipped(sample, chance) for _ in range(_N_DAMAGED)],
        }[damage]
        with Isolation(limit_s=60) as isolation:
            for number, data in enumerate(damaged):
                path = tmp_path / f"damaged{number}{self.suffix}"
                path.write_bytes(data)
                result = _text_or_error(isolation, path)
                assert _UNSTORABLE.search(result.replace("\f", "")) is None


def _text_or_error(isolation: Isolation, path: Path) -> str:
    """Return the text of a file, or the error message with a control character for each line break."""
    try:
        return isolation.parse(path, path.suffix).text
    except BadFile as error:
        return str(error).replace("\n", "\0")


def _flipped(data: bytes, chance: random.Random) -> bytes:
    at, bit = chance.randrange(len(data)), chance.randrange(8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
