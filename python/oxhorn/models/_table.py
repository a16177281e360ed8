"""A table in plain text with box-drawing lines, as Keras's summaries look."""


def render(header, rows, widths, alignments, line_length):
    """The lines of the table.

    Args:
        header, rows: cells as strings.
        widths: of the columns' text; taken in evenly so that the table is `line_length` wide.
        alignments: "left", "right" or "center" per column.
    """
    widths = _fit(widths, line_length)
    table = [_cells(header, widths, alignments, "┃", at_bottom=True)]
    table += [_cells(row, widths, alignments, "│") for row in rows]

    def rule(left, fill, middle, right):
        return left + middle.join(fill * (w + 2) for w in widths) + right

    lines = [rule("┏", "━", "┳", "┓"), *table[0], rule("┡", "━", "╇", "┩")]
    for i, row in enumerate(table[1:]):
        if i:
            lines.append(rule("├", "─", "┼", "┤"))
        lines.extend(row)
    lines.append(rule("└", "─", "┴", "┘"))
    return lines


def _fit(widths, line_length):
    """Takes the width of lines and padding from the columns, as evenly as whole numbers allow."""
    columns = len(widths)
    excess = sum(widths) + 2 * columns - (line_length - columns - 1)
    result = []
    for i, width in enumerate(widths):
        share = min(width + 2, round(excess / (columns - i)))
        result.append(max(width - share, 1))
        excess -= share
    return result


def _cells(row, widths, alignments, line, at_bottom=False):
    """The text lines of one row."""
    wrapped = [_wrap(text, width) for text, width in zip(row, widths)]
    height = max(map(len, wrapped))
    if at_bottom:
        wrapped = [[""] * (height - len(parts)) + parts for parts in wrapped]
    lines = []
    for i in range(height):
        cells = []
        for parts, width, alignment in zip(wrapped, widths, alignments):
            text = parts[i] if i < len(parts) else ""
            if alignment == "right":
                text = text.rjust(width)
            elif alignment == "center":
                spare = width - len(text)
                text = " " * (spare // 2) + text + " " * (spare - spare // 2)
            cells.append(f" {text.ljust(width)} ")
        lines.append(line + line.join(cells) + line)
    return lines


def _wrap(text, width):
    """Breaks at spaces; a word that is too long ends in an ellipsis."""
    lines = [""]
    indent = len(text) - len(text.lstrip(" "))
    words = text.lstrip(" ").split(" ")
    words[0] = " " * indent + words[0]
    for i, word in enumerate(words):
        candidate = f"{lines[-1]} {word}" if i else word
        if len(candidate) <= width or not lines[-1]:
            lines[-1] = candidate
        else:
            lines.append(word)
    return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
