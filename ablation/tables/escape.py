"""Text of users, made safe for each format: LaTeX, Markdown, CSV."""
# ruff: noqa: RUF001 (the signs are what this file is about)

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
    "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\varepsilon$", "ζ": r"$\zeta$",
    "η": r"$\eta$", "θ": r"$\theta$", "ι": r"$\iota$", "κ": r"$\kappa$", "λ": r"$\lambda$", "μ": r"$\mu$",
    "ν": r"$\nu$", "ξ": r"$\xi$", "ο": "o", "π": r"$\pi$", "ρ": r"$\rho$", "σ": r"$\sigma$", "ς": r"$\varsigma$",
    "τ": r"$\tau$", "υ": r"$\upsilon$", "φ": r"$\varphi$", "χ": r"$\chi$", "ψ": r"$\psi$", "ω": r"$\omega$",
    "Α": "A", "Β": "B", "Γ": r"$\Gamma$", "Δ": r"$\Delta$", "Ε": "E", "Ζ": "Z", "Η": "H", "Θ": r"$\Theta$", "Ι": "I",
    "Κ": "K", "Λ": r"$\Lambda$", "Μ": "M", "Ν": "N", "Ξ": r"$\Xi$", "Ο": "O", "Π": r"$\Pi$", "Ρ": "P",
    "Σ": r"$\Sigma$", "Τ": "T", "Υ": r"$\Upsilon$", "Φ": r"$\Phi$", "Χ": "X", "Ψ": r"$\Psi$", "Ω": r"$\Omega$",
}  # fmt: skip
ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`", "\N{COMBINING ACUTE ACCENT}": "'", "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~", "\N{COMBINING MACRON}": "=", "\N{COMBINING BREVE}": "u",
    "\N{COMBINING DOT ABOVE}": ".", "\N{COMBINING DIAERESIS}": '"', "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H", "\N{COMBINING CARON}": "v", "\N{COMBINING CEDILLA}": "c",
}  # fmt: skip
FORMULA = tuple("=+-@＝＋－＠")


def _printable(text: object) -> str:
    """Without line breaks and control characters, the invisible ones of Unicode included."""
    if str(text).isprintable():
        return str(text)
    unprinted = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
    return "".join(" " if unicodedata.category(c) in unprinted else c for c in str(text))


def one_line(text: object) -> str:
    """As printable as that; runs of blanks are one."""
    return " ".join(_printable(text).split())


def tex(text: object) -> str:
    """Text that any LaTeX engine prints as it stands. What pdfLaTeX has no glyph for becomes its base letter, or ?."""
    composed = unicodedata.normalize("NFC", one_line(text))
    drawn = "".join(TEX.get(c) or (c if c.isascii() else _tex_letter(c)) for c in composed)
    return re.sub(r"([-',])(?=\1)", r"\1{}", drawn)  # -- is no dash


def _tex_letter(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    if parts[0].isascii() and parts[0].isalpha() and parts[1:2] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return "".join(TEX.get(c, c if c.isascii() else "") for c in parts) or "?"


def markdown(text: object) -> str:
    """Text that Markdown prints as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&$])", r"\\\1", one_line(text))


def safe_csv(value: object) -> object:
    """A text becomes one line; one that a spreadsheet would take for a formula gets an apostrophe. Numbers stay."""
    if not isinstance(value, str):
        return value
    text = _printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
