"""Pictures of pages as small files: a palette of 48 colours, found by the browser, and the PNG around it.

The format: https://www.w3.org/TR/png-3/ (2026-11-23), colour type 3, eight bits for each pixel.
"""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

from playwright.sync_api import Page

HEIGHT_MAX = 2000
_INDEXED = """
async (data) => {
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  canvas.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
  const counts = new Map();
  for (const each of pixels) counts.set(each, (counts.get(each) ?? 0) + 1);
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const away = ([r, g, b], [red, green, blue]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
  const split = [];
  for (const [colour] of [...counts].sort((a, b) => b[1] - a[1])) {
    const mine = parts(colour);  // a colour beside one that is there already would keep a rarer one out
    if (split.length < 48 && split.every((each) => away(each, mine) >= 200)) split.push(mine);
  }
  const nearest = (colour) => {
    const mine = parts(colour);
    let best = 0;
    split.forEach((each, at) => { if (away(each, mine) < away(split[best], mine)) best = at; });
    return best;
  };
  const known = new Map([...counts.keys()].map((colour) => [colour, nearest(colour)]));
  const indices = Uint8Array.from(pixels, (each) => known.get(each));
  let text = "";
  for (let at = 0; at < indices.length; at += 32768) text += String.fromCharCode(...indices.subarray(at, at + 32768));
  return [bitmap.width, bitmap.height, split.flat(), btoa(text)];
}
"""


def take_picture(page: Page, path: Path, *, desk: Page) -> int:
    """Write what a page shows, from its top and no longer than HEIGHT_MAX; returns the bytes. `desk` is an empty page to work on."""
    height = min(int(page.evaluate("document.documentElement.scrollHeight")), HEIGHT_MAX)
    width = int(page.evaluate("innerWidth"))
    shot = page.screenshot(
        full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height}, animations="disabled", caret="hide"
    )
    found = desk.evaluate(_INDEXED, base64.b64encode(shot).decode())
    path.write_bytes(write_png(found[0], found[1], palette=bytes(found[2]), indices=base64.b64decode(found[3])))
    return path.stat().st_size


def write_png(width: int, height: int, *, palette: bytes, indices: bytes) -> bytes:
    """Return a PNG of colours out of a palette of red, green and blue bytes."""
    assert len(indices) == width * height
    rows = b"".join(b"\0" + indices[at : at + width] for at in range(0, len(indices), width))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    )
