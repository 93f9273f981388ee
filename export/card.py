"""The model card of a bundle."""

from collections.abc import Mapping

from export.precision_report import Measurements, markdown, tables
from perception.bundle.manifest import GRAPHS, BundleDescription, Precision


def model_card(
    description: BundleDescription, graphs: Mapping[Precision, bytes], measured: Measurements
) -> str:
    """Markdown: what the network is, how it was trained and measured, what it must not be used for."""
    files = "\n".join(
        f"| {precision} | `{GRAPHS[precision]}` | {len(graph) / 2**20:.1f} MiB |"
        for precision, graph in graphs.items()
    )
    losses = "\n".join(f"### {table.title}\n\n{markdown(table)}" for table in tables(measured))
    checks = "\n".join(f"- {tool}: {result}" for tool, result in measured.checks.items())
    metrics = "\n".join(f"| {m.set} | {m.metric} | {m.value:.3f} | {m.how} |" for m in description.metrics)
    data = "\n".join(f"- {entry}" for entry in description.training.data)
    things = ", ".join(description.classes.things)
    if "boxes" in description.outputs:
        task = f"Instance segmentation of front-camera frames: {things}."
        output = """`boxes` with `scores`, `classes` and `masks`, the surest first, 0 past the last one;
x0, y0, x1, y1 in pixels of the input. Normalisation, suppression and selection are part of the graph."""
    else:
        task = f"""Semantic segmentation of front-camera frames into {len(description.classes.names)} classes:
{", ".join(description.classes.names)}.
Instances are found for {things}."""
        output = """`labels`, uint8 class ids at the input's size. Normalisation,
resizing and argmax are part of the graph."""
    return f"""# {description.name} {description.version}

{task}

Input: uint8 NHWC BGR, height and width multiples of {description.input.multiple}, about
{description.input.pixels} pixels. Output: {output}
The weights keep their torch names, batch normalisation included, so `perception train --initial` can go on
from this bundle.

## Training data

{data}

Terms: {description.training.licence}

## Measured

| set | metric | value | how |
|---|---|---|---|
{metrics or "| – | – | – | not measured |"}

## Precisions

| precision | file | size |
|---|---|---|
{files}

{measured.calibration}

{checks}

What each lost against torch when it was exported, in brackets:

{losses}
## Limits

Trained on little data, mostly daylight. It is an aid for research and development, not a safety function: it
will miss road users, above all small, dark or unusual ones.
"""
