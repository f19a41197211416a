"""Every format that is not text keeps the contract that loaders from outside are held to."""

from __future__ import annotations

import pytest
from sample_files import book, mail, pdf, slides, word

from indexes.testing.loader import LoaderContract

WORDS = "Rents rise in May"


class Sampled(LoaderContract):
    @pytest.fixture
    def words(self):
        return WORDS


class TestDocx(Sampled):
    suffix = ".docx"

    @pytest.fixture
    def sample(self):
        return word(WORDS, "More of it.")


class TestEml(Sampled):
    suffix = ".eml"

    @pytest.fixture
    def sample(self):
        return mail(WORDS, Subject="On rents")


class TestPdf(Sampled):
    suffix = ".pdf"

    @pytest.fixture
    def sample(self):
        return pdf([WORDS], ["More of it."])


class TestPptx(Sampled):
    suffix = ".pptx"

    @pytest.fixture
    def sample(self):
        return slides((WORDS, "More of it."))


class TestXlsx(Sampled):
    suffix = ".xlsx"

    @pytest.fixture
    def sample(self):
        return book(Rents=[[WORDS, 3]])
