# Makes the fonts that a report carries from those that the UI ships: fonttools and brotli are needed.
#   python3 subset.py ../../../../ui/node_modules/@fontsource-variable .
import io
import sys
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

SOURCE, OUT = sys.argv[1:]
SHOWN = [*range(0x20, 0x7F), *range(0xA0, 0x100), 0x131, 0x152, 0x153, 0x2009, 0x2013, 0x2014, *range(0x2018, 0x201F),
         0x2022, 0x2026, 0x20AC, 0x2122, *range(0x2190, 0x2194), 0x2212, 0x2215]
for source, weight, features, name in [
    ("inter/files/inter-latin-wght-normal.woff2", (400, 600), ["tnum", "kern", "locl"], "Inter.woff2"),
    ("jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2", 400, ["ccmp"], "JetBrainsMono.woff2"),
]:
    font = TTFont(f"{SOURCE}/{source}", recalcTimestamp=False)
    # Read again in between: what is read lazily has the names of glyphs of before.
    whole = io.BytesIO()
    instantiateVariableFont(font, {"wght": weight}).save(whole)
    font = TTFont(whole, recalcTimestamp=False)
    options = Options(layout_features=features, hinting=False, flavor="woff2", recalc_timestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=SHOWN)
    subsetter.subset(font)
    # Figures stand with the narrow space at which no line breaks; it is as wide as the thin one.
    for table in font["cmap"].tables:
        if table.isUnicode() and 0x2009 in table.cmap:
            table.cmap[0x202F] = table.cmap[0x2009]
    font.flavor = "woff2"
    font.save(f"{OUT}/{name}")
