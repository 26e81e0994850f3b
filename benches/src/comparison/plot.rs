//! A table as a plot: its curves, ours thicker than the others.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::entrant::Who::{self, *};
use super::entrant::Whose;
use super::table::{Axis, Measured, Reading, short_time};
use super::{ratios, text};

/// Whose curves are shown; more than these nobody could tell from each other. All are in the tables.
const SHOWN: [(Who, RGBColor); 12] = [
    (ThreadPool, RGBColor(31, 119, 180)),
    (Spawn, RGBColor(214, 39, 40)),
    (SpawnPlain, RGBColor(255, 152, 150)),
    (Rayon, RGBColor(23, 190, 207)),
    (Threadpool, RGBColor(127, 127, 127)),
    (Procspawn, RGBColor(255, 127, 14)),
    (IpcChannel, RGBColor(140, 86, 75)),
    (PyPool, RGBColor(44, 160, 44)),
    (PyProcesses, RGBColor(188, 189, 34)),
    (PyThreads, RGBColor(148, 103, 189)),
    (Loky, RGBColor(227, 119, 194)),
    (Mpire, RGBColor(82, 84, 163)),
];

type Points = Vec<(f64, f64)>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes the plot of a table that has curves.
pub(super) fn write(folder: &Path, table: &Measured) -> crate::Result<()> {
    let curves: Vec<(Who, RGBColor, Points)> =
        SHOWN.iter().map(|(who, colour)| (*who, *colour, points(table, *who))).collect();
    let all: Points = curves.iter().flat_map(|(.., points)| points.clone()).collect();
    let xs: Vec<f64> = all.iter().map(|point| point.0).collect();
    if table.table.axis == Axis::Cases || xs.is_empty() {
        return Ok(());
    }
    let (low, high) = extremes(&xs);
    let path = folder.join(format!("{}.svg", table.table.name));
    let drawn = draw(&path, table, low..high, &curves, &all);
    Ok(drawn.map_err(|error| format!("{}: {error}", table.table.name))?)
}

fn points(table: &Measured, who: Who) -> Points {
    let columns = table.columns.iter().enumerate();
    let point = |(i, column): (usize, f64)| match table.table.reading {
        Reading::SpeedUp => Some((column, ratios::speed_up(table, i, who)?.median)),
        _ => Some((column, ratios::middle(table, i, who)?)),
    };
    columns.filter_map(|(i, (column, _))| Some((i, column.x?))).filter_map(point).collect()
}

fn extremes(numbers: &[f64]) -> (f64, f64) {
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    (low, numbers.iter().copied().fold(0.0, f64::max))
}

fn draw(
    path: &Path,
    table: &Measured,
    x: Range<f64>,
    curves: &[(Who, RGBColor, Points)],
    all: &[(f64, f64)],
) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (860, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let (bottom, top) = extremes(&all.iter().map(|point| point.1).collect::<Vec<_>>());
    let workers = table.table.axis == Axis::Workers;
    match (table.table.reading, workers) {
        (Reading::SpeedUp, true) => curves_in(&area, table, x, 0.0..top * 1.05, curves),
        (Reading::SpeedUp, false) => curves_in(&area, table, x.log_scale(), 0.0..top * 1.05, curves),
        _ => curves_in(&area, table, x.log_scale(), (bottom / 2.0..top * 2.0).log_scale(), curves),
    }?;
    Ok(area.present()?)
}

fn curves_in<X, Y>(
    area: &Area,
    table: &Measured,
    x: X,
    y: Y,
    curves: &[(Who, RGBColor, Points)],
) -> Result<(), Box<dyn Error>>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let (axis, reading) = (table.table.axis, table.table.reading);
    let mut chart = ChartBuilder::on(area)
        .caption(table.table.title, ("sans-serif", 18))
        .margin(10)
        .margin_right(24)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?;
    let mesh = &mut chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT)
        .x_desc(axis.described())
        .y_desc(reading.described())
        .x_label_formatter(&|x| axis.shown(*x))
        .y_label_formatter(&|y| text::shown(reading, *y))
        .label_style(("sans-serif", 13))
        .draw()?;
    for (who, colour, points) in curves.iter().filter(|(.., points)| !points.is_empty()) {
        let style = colour.stroke_width(if who.whose() == Whose::Ours { 4 } else { 2 });
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
            .label(who.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    let place = if reading == Reading::SpeedUp {
        SeriesLabelPosition::LowerRight
    } else {
        SeriesLabelPosition::UpperLeft
    };
    chart
        .configure_series_labels()
        .position(place)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}

impl Axis {
    fn described(self) -> &'static str {
        match self {
            Axis::TaskLength => "time that an item takes",
            Axis::Payload => "size",
            Axis::ChunkSize => "items in a task",
            Axis::Workers => "workers",
            Axis::Cases => "",
        }
    }

    fn shown(self, x: f64) -> String {
        match self {
            Axis::TaskLength => short_time(x),
            Axis::Payload => decimal_size(x),
            Axis::ChunkSize | Axis::Workers | Axis::Cases => format!("{x:.0}"),
        }
    }
}

impl Reading {
    fn described(self) -> &'static str {
        match self {
            Reading::SpeedUp => "times as fast as a plain loop",
            Reading::Time => "time",
            Reading::Memory => "memory",
        }
    }
}

/// The marks of the axis are powers of ten.
fn decimal_size(bytes: f64) -> String {
    match bytes {
        b if b < 1e3 => format!("{b:.0} B"),
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b => format!("{:.0} MB", b / 1e6),
    }
}
