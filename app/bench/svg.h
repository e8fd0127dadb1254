/*
 * bench/svg.h: plots as SVG, drawn by us: axes, logarithms, lines, dots, bars, a legend.
 *
 * A plot carries its own style and follows the reader's light or dark theme, also as a file of its own in an <img>.
 */
#ifndef APP_BENCH_SVG_H
#define APP_BENCH_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum svg_tone { SVG_BLOCKING, SVG_OFFLOAD, SVG_ASYNC, SVG_NEUTRAL };

/** A line with dots; points that are not finite, or not positive on a logarithmic axis, are left out. */
struct svg_series {
    const char   *name;
    enum svg_tone tone;
    bool          is_dashed; /* a limit, an ideal: no dots */
    const double *x, *y;
    size_t        count;
};

/** A tick of an axis that is not made of round numbers. */
struct svg_tick {
    double      at;
    const char *text;
};

struct svg_plot {
    const char              *title, *x_label, *y_label;
    bool                     x_is_log, y_is_log;
    double                   y_min, y_max; /* both 0: from the points */
    const struct svg_series *series;
    size_t                   n_series;
    const struct svg_tick   *x_ticks; /* NULL: round numbers */
    size_t                   n_x_ticks;
};

/** Draw it. */
void svg_plot(FILE *out, const struct svg_plot *plot);

/** One row of a chart of ranges: a label, and for each tone a bar from low to high; 0: none. */
struct svg_range {
    const char *label;
    double      low[SVG_NEUTRAL], high[SVG_NEUTRAL];
};

struct svg_ranges {
    const char             *title, *x_label;
    const struct svg_range *rows;
    size_t                  count;
    double                  mark; /* a line at this x; 0: none */
    const char             *mark_text;
    bool                    x_is_log;
};

void svg_ranges(FILE *out, const struct svg_ranges *ranges);

/** `text` with &, <, > and " escaped, for HTML and SVG. */
void svg_text(FILE *out, const char *text);

#endif
