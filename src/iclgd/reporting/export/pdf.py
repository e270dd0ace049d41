"""A drawing as PDF for a printed page; the same drawing gives the same bytes."""

from __future__ import annotations

import re

import vl_convert

from iclgd.reporting.layout import POINTS

SIZE = re.compile(r'width="([\d.]+)" height="([\d.]+)"')
UNSEEN = re.compile(r'<path[^>]* opacity="0"[^>]*/>')  # dots that carry tooltips
REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
RESOURCES = re.compile(rb"(?:^ +/[a-z]+\d+ .*\n)+", re.M)


def of(svg: str) -> bytes:
    """The SVG as a page of ``POINTS`` points to its pixel, with embedded fonts."""
    wide, high = (POINTS * float(one) for one in SIZE.search(svg).groups())
    printed = SIZE.sub(f'width="{wide:g}" height="{high:g}"', UNSEEN.sub("", svg), count=1)
    return ordered(vl_convert.svg_to_pdf(printed))


def ordered(pdf: bytes) -> bytes:
    """The PDF with its objects numbered and written in the order in which its root refers to them.

    vl-convert writes fonts and resources in the order of a hash map, which differs in every call.
    """
    start = int(pdf.rsplit(b"startxref", 1)[1].split()[0])
    places = re.findall(rb"^(\d{10}) \d{5} n", pdf[start:], re.M)
    ends = dict(zip(sorted(places), [*sorted(places)[1:], b"%d" % start], strict=True))
    heads, streams = {}, {}
    for number, place in enumerate(places, start=1):
        body = pdf[int(place) : int(ends[place])].split(b" obj\n", 1)[1]
        head, *stream = body.split(b"stream\n", 1)
        heads[number] = RESOURCES.sub(lambda m: b"".join(sorted(m[0].splitlines(True))), head)
        streams[number] = b"stream\n" + stream[0] if stream else b""
    numbers, found = {}, [int(REFERENCE.search(pdf[start:])[1])]
    for number in found:
        if number not in numbers:
            numbers[number] = len(numbers) + 1
            found += map(int, REFERENCE.findall(heads[number]))
    parts, at, table = [b"%PDF-1.7\n"], 9, [b"0000000000 65535 f \n"]
    for number, new in numbers.items():
        head = REFERENCE.sub(lambda m: b"%d 0 R" % numbers[int(m[1])], heads[number])
        parts.append(b"%d 0 obj\n%s%s" % (new, head, streams[number]))
        table.append(b"%010d 00000 n \n" % at)
        at += len(parts[-1])
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(table), at)
    return b"".join([*parts, b"xref\n0 %d\n" % len(table), *table, trailer])
