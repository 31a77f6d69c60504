"""Escaping of users' texts for LaTeX, Markdown and CSV."""
# ruff: noqa: RUF001 (the table lists these signs)

import re
import unicodedata

TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", "`": "{`}", '"': r"\textquotedblright{}",
    "\N{LEFT SINGLE QUOTATION MARK}": "{`}", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}",
    "–": r"\textendash{}", "—": r"\textemdash{}", "±": r"$\pm$", "µ": r"$\mu$", "×": r"$\times$", "−": "$-$",
    "→": r"$\rightarrow$", "°": r"$^{\circ}$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "≠": r"$\neq$",
    "∞": r"$\infty$", "·": r"$\cdot$", "⁄": "/", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}",
    "Œ": r"\OE{}", "²": r"$^{2}$", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\varepsilon$", "ζ": r"$\zeta$",
    "η": r"$\eta$", "θ": r"$\theta$", "ι": r"$\iota$", "κ": r"$\kappa$", "λ": r"$\lambda$", "μ": r"$\mu$",
    "ν": r"$\nu$", "ξ": r"$\xi$", "ο": "o", "π": r"$\pi$", "ρ": r"$\rho$", "σ": r"$\sigma$", "ς": r"$\varsigma$",
    "τ": r"$\tau$", "υ": r"$\upsilon$", "φ": r"$\varphi$", "χ": r"$\chi$", "ψ": r"$\psi$", "ω": r"$\omega$",
    "Α": "A", "Β": "B", "Γ": r"$\Gamma$", "Δ": r"$\Delta$", "Ε": "E", "Ζ": "Z", "Η": "H", "Θ": r"$\Theta$", "Ι": "I",
    "Κ": "K", "Λ": r"$\Lambda$", "Μ": "M", "Ν": "N", "Ξ": r"$\Xi$", "Ο": "O", "Π": r"$\Pi$", "Ρ": "P",
    "Σ": r"$\Sigma$", "Τ": "T", "Υ": r"$\Upsilon$", "Φ": r"$\Phi$", "Χ": "X", "Ψ": r"$\Psi$", "Ω": r"$\Omega$",
    "ϕ": r"$\phi$", "ϵ": r"$\epsilon$", "ϑ": r"$\vartheta$", "←": r"$\leftarrow$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "↔": r"$\leftrightarrow$", "⇒": r"$\Rightarrow$", "⇐": r"$\Leftarrow$", "∈": r"$\in$",
    "⊂": r"$\subset$", "∪": r"$\cup$", "∩": r"$\cap$", "∅": r"$\emptyset$", "∀": r"$\forall$", "∃": r"$\exists$",
    "∑": r"$\sum$", "∏": r"$\prod$", "√": r"$\surd$", "∂": r"$\partial$", "∇": r"$\nabla$", "∫": r"$\int$",
    "∝": r"$\propto$", "∼": r"$\sim$", "≡": r"$\equiv$", "≪": r"$\ll$", "≫": r"$\gg$", "⊕": r"$\oplus$",
    "⊗": r"$\otimes$", "∘": r"$\circ$", "∗": r"$\ast$", "÷": r"$\div$", "¬": r"$\neg$", "∧": r"$\wedge$",
    "∨": r"$\vee$", "ℓ": r"$\ell$", "†": r"$\dagger$", "‡": r"$\ddagger$", "•": r"$\bullet$", "★": r"$\star$",
    "☆": r"$\star$", "◇": r"$\diamond$", "✓": r"$\surd$", "✔": r"$\surd$", "✗": r"$\times$", "✘": r"$\times$",
    "¹": r"$^{1}$", "³": r"$^{3}$", "§": r"\S{}", "¶": r"\P{}", "©": r"\copyright{}", "£": r"\pounds{}", "€": "EUR",
    "ı": r"\i{}", "đ": "d", "Đ": "D", "ð": "d", "þ": "th", "¡": "{!`}", "¿": "{?`}", "«": r"$\ll$", "»": r"$\gg$",
}  # fmt: skip
LETTERS = "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch ' y ' e yu ya i ye g".split()  # noqa: SIM905
CYRILLIC = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюяієґ", LETTERS, strict=True))
UNPRINTED = re.compile(r"\{\[\}U\+[0-9A-F]{4}")  # in the output of `tex`
ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`", "\N{COMBINING ACUTE ACCENT}": "'", "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~", "\N{COMBINING MACRON}": "=", "\N{COMBINING BREVE}": "u",
    "\N{COMBINING DOT ABOVE}": ".", "\N{COMBINING DIAERESIS}": '"', "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H", "\N{COMBINING CARON}": "v", "\N{COMBINING CEDILLA}": "c",
}  # fmt: skip
FORMULA = tuple("=+-@＝＋－＠")


def _printable(text: object) -> str:
    """Return a text with blanks in place of line breaks, control characters and invisible Unicode characters."""
    if str(text).isprintable():
        return str(text)
    unprinted = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
    return "".join(" " if unicodedata.category(c) in unprinted else c for c in str(text))


def one_line(text: object) -> str:
    """Return a text as one printable line. Runs of blanks become one blank."""
    return " ".join(_printable(text).split())


def tex(text: object) -> str:
    """Return LaTeX source that prints the text in any LaTeX engine.

    A character for which pdfLaTeX has no glyph becomes its base letter, its transliteration, or its code: [U+4E2D].
    """
    composed = unicodedata.normalize("NFC", one_line(text))
    escaped = "".join(TEX.get(c) or (c if c.isascii() else _tex_letter(c)) for c in composed)
    escaped = escaped.replace("{]}{[}U+", " U+")  # one pair of brackets for neighbours
    return re.sub(r"([-',])(?=\1)", r"\1{}", escaped)  # braces keep -- from becoming a dash


def _tex_letter(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    if parts[0].isascii() and parts[0].isalpha() and parts[1:2] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    if latin := CYRILLIC.get(character.lower()):
        return latin if character.islower() else latin.capitalize()
    if unicodedata.category(character).startswith("M"):  # an accent that composes with no letter
        return ""
    return "".join(TEX.get(c, c if c.isascii() else "") for c in parts) or f"{{[}}U+{ord(character):04X}{{]}}"


def markdown(text: object) -> str:
    """Return Markdown that prints the text unchanged."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&$])", r"\\\1", one_line(text))


def safe_csv(value: object) -> object:
    """Return a text as one line, with an apostrophe before a spreadsheet formula. Other values stay unchanged."""
    if not isinstance(value, str):
        return value
    text = _printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def cut(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters; a text that is cut ends in three dots."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
