/*
 * svg.c: plots as SVG.
 *
 * A plot is 420 by 300 units, so that it is legible in a column of 330 pixels (a telephone) and in one of 500. A
 * scale maps values to units, by their logarithm if it is logarithmic, and knows its ticks: decades and, when there
 * are few, their halves and fifths; or multiples of 1, 2 or 5 of a power of ten. The colours are Okabe and Ito's,
 * which colour-blind readers can tell apart; the dots differ in shape besides.
 */
#include "app/bench/svg.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 420, HEIGHT = 300, LEFT = 62, RIGHT = 14, TOP = 54, BOTTOM = 46, TICKS_MAX = 24 };
enum { RANGE_LEFT = 96, RANGE_ROW = 44 };

static const char *const tone_classes[] = { "b", "o", "a", "n" };
static const char *const tone_names[] = { "blocking", "offload", "async" };

struct scale {
    bool   is_log;
    double min, max; /* values */
    double from, to; /* units */
    double ticks[TICKS_MAX];
    size_t n_ticks;
};

/* ---- scales ---- */

static double place(const struct scale *scale, double value)
{
    double share = scale->is_log ? log10(value / scale->min) / log10(scale->max / scale->min)
                                 : (value - scale->min) / (scale->max - scale->min);

    return scale->from + share * (scale->to - scale->from);
}

static void add_tick(struct scale *scale, double value)
{
    if (scale->n_ticks < TICKS_MAX && value >= scale->min * (1 - 1e-9) && value <= scale->max * (1 + 1e-9))
        scale->ticks[scale->n_ticks++] = value;
}

static void add_log_ticks(struct scale *scale)
{
    double decades = log10(scale->max / scale->min);
    int    first = (int)floor(log10(scale->min) + 1e-9), last = (int)ceil(log10(scale->max));

    for (int exponent = first; exponent <= last; exponent++) {
        double power = pow(10, exponent);

        add_tick(scale, power);
        if (decades < 2.5)
            add_tick(scale, power * 2);
        if (decades < 3.5)
            add_tick(scale, power * 5);
    }
}

/* 1, 2 or 5 times a power of ten, so that there are about five to `span`. */
static double round_step(double span)
{
    double power = pow(10, floor(log10(span / 5))), rough = span / 5 / power;

    return rough < 1.5 ? power : rough < 3.5 ? 2 * power : rough < 7.5 ? 5 * power : 10 * power;
}

static void add_even_ticks(struct scale *scale)
{
    double step = round_step(scale->max - scale->min), first = ceil(scale->min / step);

    for (int i = 0; i < TICKS_MAX; i++)
        add_tick(scale, (first + i) * step);
}

/* Make the limits round and choose the ticks. */
static void finish_scale(struct scale *scale)
{
    if (scale->is_log) {
        static const double steps[] = { 1, 2, 5, 10 };
        double low = pow(10, floor(log10(scale->min) + 1e-9)), high = pow(10, floor(log10(scale->max) - 1e-9));

        for (int i = 3; i >= 0; i--) {
            if (low * steps[i] <= scale->min * (1 + 1e-9)) {
                low *= steps[i];
                break;
            }
        }
        for (int i = 0; i < 4; i++) {
            if (high * steps[i] >= scale->max * (1 - 1e-9)) {
                high *= steps[i];
                break;
            }
        }
        scale->min = low;
        scale->max = high > low ? high : low * 10;
        add_log_ticks(scale);
        return;
    }
    if (scale->max <= scale->min)
        scale->max = scale->min + 1;
    scale->max += (scale->max - scale->min) * 0.06;
    add_even_ticks(scale);
}

static bool is_drawable(const struct scale *x, const struct scale *y, double x_value, double y_value)
{
    return isfinite(x_value) && isfinite(y_value) && (!x->is_log || x_value > 0) && (!y->is_log || y_value > 0);
}

static void stretch(struct scale *scale, double value)
{
    if (scale->max < scale->min) { /* nothing yet */
        scale->min = scale->max = value;
        return;
    }
    scale->min = fmin(scale->min, value);
    scale->max = fmax(scale->max, value);
}

static void fit(struct scale *x, struct scale *y, const struct svg_plot *plot)
{
    for (size_t i = 0; i < plot->n_series; i++) {
        const struct svg_series *series = &plot->series[i];

        for (size_t j = 0; j < series->count; j++) {
            if (is_drawable(x, y, series->x[j], series->y[j])) {
                stretch(x, series->x[j]);
                stretch(y, series->y[j]);
            }
        }
    }
    if (!y->is_log)
        stretch(y, 0);
    if (plot->y_max > plot->y_min) {
        y->min = plot->y_min;
        y->max = plot->y_max;
    }
    for (size_t i = 0; i < plot->n_x_ticks; i++)
        stretch(x, plot->x_ticks[i].at);
    if (x->max < x->min) /* not one point */
        stretch(x, 1);
    if (y->max < y->min)
        stretch(y, 1);
}

/* ---- ink ---- */

void svg_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*text, out);
        }
    }
}

static void write_at(FILE *out, const char *class, double x, double y, const char *text)
{
    fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    svg_text(out, text);
    fputs("</text>\n", out);
}

static void write_value(FILE *out, const char *class, double x, double y, double value)
{
    char text[32];

    if (value >= 1e6)
        snprintf(text, sizeof text, "%gM", value / 1e6);
    else if (value >= 1e4)
        snprintf(text, sizeof text, "%gk", value / 1e3);
    else if (value >= 1e3)
        snprintf(text, sizeof text, "%d,%03d", (int)(value / 1e3), (int)value % 1000);
    else
        snprintf(text, sizeof text, "%g", value);
    write_at(out, class, x, y, text);
}

static void begin(FILE *out, const char *title, int height)
{
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
            height);
    svg_text(out, title);
    fputs("\" class=\"plot\">\n<style>\n"
          ".plot{--paper:#ffffff;--ink:#1c2330;--soft:#5b6472;--line:#dfe3e9;--b:#c2500a;--o:#0b6cb8;--a:#00805f;"
          "--n:#7a8290}\n"
          "@media (prefers-color-scheme:dark){.plot{--paper:#171b22;--ink:#e8ebf0;--soft:#a3abb8;--line:#2f3642;"
          "--b:#ff9a52;--o:#62b6ff;--a:#3fd2a8;--n:#8d96a5}}\n"
          ".plot text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:var(--soft)}\n"
          ".plot .paper{fill:var(--paper)}.plot .title{font-weight:600;font-size:13.5px;fill:var(--ink)}\n"
          ".plot .mid{text-anchor:middle}.plot .end{text-anchor:end}.plot .name{fill:var(--ink)}\n"
          ".plot .grid{stroke:var(--line);stroke-width:1}.plot .axis{stroke:var(--soft);stroke-width:1}\n"
          ".plot .sb,.plot .so,.plot .sa,.plot "
          ".sn{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
          ".plot .sb{stroke:var(--b)}.plot .so{stroke:var(--o)}.plot .sa{stroke:var(--a)}.plot .sn{stroke:var(--n)}\n"
          ".plot .db{fill:var(--b)}.plot .do{fill:var(--o)}.plot .da{fill:var(--a)}.plot .dn{fill:var(--n)}\n"
          ".plot .dash{stroke-dasharray:5 4;stroke-width:1.5}\n</style>\n",
          out);
    fprintf(out, "<rect class=\"paper\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", WIDTH, height);
    write_at(out, "title", 12, 21, title);
}

/* A square, a triangle, a circle: shapes tell the modes apart where colours cannot. */
static void dot(FILE *out, enum svg_tone tone, double x, double y)
{
    switch (tone) {
    case SVG_BLOCKING:
        fprintf(out, "<rect class=\"db\" x=\"%.1f\" y=\"%.1f\" width=\"7\" height=\"7\"/>\n", x - 3.5, y - 3.5);
        break;
    case SVG_OFFLOAD: fprintf(out, "<path class=\"do\" d=\"M%.1f %.1fl4.4 8h-8.8z\"/>\n", x, y - 5); break;
    default: fprintf(out, "<circle class=\"d%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.7\"/>\n", tone_classes[tone], x, y);
    }
}

/* Returns where the next entry begins. The width of a letter is a guess that is good enough for our words. */
static double legend_entry(FILE *out, double x, enum svg_tone tone, bool is_dashed, const char *name)
{
    if (is_dashed)
        fprintf(out, "<path class=\"s%s dash\" d=\"M%.1f 36h18\"/>\n", tone_classes[tone], x);
    else
        dot(out, tone, x + 9, 36);
    write_at(out, "name", x + 22, 40, name);
    return x + 22 + 6.7 * (double)strlen(name) + 12;
}

static void draw_x_axis(FILE *out, const struct scale *x, double top, double bottom, const struct svg_plot *plot)
{
    size_t count = plot && plot->x_ticks ? plot->n_x_ticks : x->n_ticks;

    for (size_t i = 0; i < count; i++) {
        double at = place(x, plot && plot->x_ticks ? plot->x_ticks[i].at : x->ticks[i]);

        fprintf(out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", at, top, bottom);
        if (plot && plot->x_ticks)
            write_at(out, "mid", at, bottom + 16, plot->x_ticks[i].text);
        else
            write_value(out, "mid", at, bottom + 16, x->ticks[i]);
    }
}

static void draw_axes(FILE *out, const struct scale *x, const struct scale *y, const struct svg_plot *plot)
{
    draw_x_axis(out, x, TOP, HEIGHT - BOTTOM, plot);
    for (size_t i = 0; i < y->n_ticks; i++) {
        double at = place(y, y->ticks[i]);

        fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", LEFT, at, WIDTH - RIGHT);
        write_value(out, "end", LEFT - 6, at + 4, y->ticks[i]);
    }
    fprintf(out, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT);
    write_at(out, "mid", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10, plot->x_label);
    fprintf(out, "<text class=\"mid\" transform=\"translate(13 %.1f) rotate(-90)\">", (TOP + HEIGHT - BOTTOM) / 2.0);
    svg_text(out, plot->y_label);
    fputs("</text>\n", out);
}

static void draw_series(FILE *out, const struct scale *x, const struct scale *y, const struct svg_series *series)
{
    char letter = 'M';

    fprintf(out, "<path class=\"s%s%s\" d=\"", tone_classes[series->tone], series->is_dashed ? " dash" : "");
    for (size_t i = 0; i < series->count; i++) {
        if (!is_drawable(x, y, series->x[i], series->y[i]))
            continue;
        fprintf(out, "%c%.1f %.1f", letter, place(x, series->x[i]), place(y, fmax(fmin(series->y[i], y->max), y->min)));
        letter = 'L';
    }
    fputs("\"/>\n", out);
    for (size_t i = 0; i < series->count && !series->is_dashed; i++) {
        if (is_drawable(x, y, series->x[i], series->y[i]))
            dot(out, series->tone, place(x, series->x[i]), place(y, series->y[i]));
    }
}

void svg_plot(FILE *out, const struct svg_plot *plot)
{
    struct scale x = { .is_log = plot->x_is_log, .min = 1, .max = 0, .from = LEFT + 6, .to = WIDTH - RIGHT - 6 };
    struct scale y = { .is_log = plot->y_is_log, .min = 1, .max = 0, .from = HEIGHT - BOTTOM, .to = TOP };
    double       legend_x = 12;

    fit(&x, &y, plot);
    if (!plot->x_ticks)
        finish_scale(&x);
    finish_scale(&y);
    begin(out, plot->title, HEIGHT);
    for (size_t i = 0; i < plot->n_series; i++)
        legend_x = legend_entry(out, legend_x, plot->series[i].tone, plot->series[i].is_dashed, plot->series[i].name);
    draw_axes(out, &x, &y, plot);
    for (size_t i = 0; i < plot->n_series; i++)
        draw_series(out, &x, &y, &plot->series[i]);
    fputs("</svg>\n", out);
}

/* ---- ranges ---- */

static void draw_range(FILE *out, const struct scale *x, const struct svg_range *row, double y)
{
    for (int tone = 0; tone < SVG_NEUTRAL; tone++) {
        double at = y + (tone - 1) * 11, low, high;

        if (row->high[tone] <= 0)
            continue;
        high = place(x, row->high[tone]);
        low = row->low[tone] > 0 ? place(x, row->low[tone]) : x->from;
        fprintf(out, "<path class=\"s%s\" d=\"M%.1f %.1fH%.1f\"/>\n", tone_classes[tone], low, at, high);
        dot(out, (enum svg_tone)tone, high, at);
    }
}

void svg_ranges(FILE *out, const struct svg_ranges *ranges)
{
    int          bottom = TOP + (int)ranges->count * RANGE_ROW + 4;
    struct scale x = { .is_log = ranges->x_is_log, .min = 1, .max = 0, .from = RANGE_LEFT, .to = WIDTH - RIGHT - 6 };
    double       legend_x = 12;

    for (size_t i = 0; i < ranges->count; i++) {
        for (int tone = 0; tone < SVG_NEUTRAL; tone++) {
            if (ranges->rows[i].low[tone] > 0)
                stretch(&x, ranges->rows[i].low[tone]);
            if (ranges->rows[i].high[tone] > 0)
                stretch(&x, ranges->rows[i].high[tone]);
        }
    }
    stretch(&x, x.is_log ? (ranges->mark > 0 ? ranges->mark : x.max < x.min ? 1 : x.max) : 0);
    finish_scale(&x);
    begin(out, ranges->title, bottom + BOTTOM);
    for (int tone = 0; tone < SVG_NEUTRAL; tone++)
        legend_x = legend_entry(out, legend_x, (enum svg_tone)tone, false, tone_names[tone]);
    draw_x_axis(out, &x, TOP, bottom, NULL);
    if (ranges->mark > 0) {
        fprintf(out, "<path class=\"sn dash\" d=\"M%.1f %dV%d\"/>\n", place(&x, ranges->mark), TOP, bottom);
        legend_entry(out, legend_x, SVG_NEUTRAL, true, ranges->mark_text);
    }
    for (size_t i = 0; i < ranges->count; i++) {
        double y = TOP + 22 + (double)i * RANGE_ROW;

        write_at(out, "name end", RANGE_LEFT - 8, y + 4, ranges->rows[i].label);
        draw_range(out, &x, &ranges->rows[i], y);
    }
    fprintf(out, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", RANGE_LEFT, bottom, WIDTH - RIGHT);
    write_at(out, "mid", (RANGE_LEFT + WIDTH - RIGHT) / 2.0, bottom + BOTTOM - 10, ranges->x_label);
    fputs("</svg>\n", out);
}
