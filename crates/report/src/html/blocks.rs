//! Figures, tables and pictures as HTML.
//!
//! Not for the frame of the page.

use super::escape;
use crate::error::ReportError;
use crate::figure::{Figure, to_svg};
use crate::grid::{ImageCell, ImageGrid};
use crate::record::Block;
use crate::table::Table;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt::Write as _;

/// Most columns of pictures that are laid out as panels; wider grids scroll as a table.
const MAX_PANELS: usize = 4;

/// Running numbers of figures and tables.
#[derive(Default)]
pub(super) struct Numbers {
    figures: usize,
    tables: usize,
}

/// Writes blocks; neighboring figures and neighboring panels share a grid.
pub(super) fn push_blocks(
    page: &mut String,
    blocks: &[Block],
    numbers: &mut Numbers,
) -> Result<(), ReportError> {
    let mut open: Option<&str> = None;
    for block in blocks {
        let wanted = match block {
            Block::Figure(_) => Some("grid"),
            Block::Images(grid) if is_panels(grid) => Some("grid"),
            _ => None,
        };
        if open != wanted {
            page.push_str(if open.is_some() { "</div>\n" } else { "" });
            if let Some(class) = wanted {
                let _ = writeln!(page, "<div class=\"{class}\">");
            }
            open = wanted;
        }
        match block {
            Block::Text(text) => {
                let _ = writeln!(page, "<p>{}</p>", escape(text));
            }
            Block::Figure(figure) => push_figure(page, figure, numbers)?,
            Block::Table(table) => push_table(page, table, numbers),
            Block::Images(grid) => push_pictures(page, grid, numbers)?,
        }
    }
    page.push_str(if open.is_some() { "</div>\n" } else { "" });
    Ok(())
}

fn heading(page: &mut String, kind: &str, number: usize, title: &str) {
    let _ = writeln!(
        page,
        "<figcaption><h3><span class=\"number\">{kind} {number}</span> {}</h3></figcaption>",
        escape(title)
    );
}

fn ending(page: &mut String, caption: &str, notes: &[String], links: &[(&str, String)]) {
    if !caption.is_empty() {
        let _ = writeln!(page, "<p class=\"caption\">{}</p>", escape(caption));
    }
    if !notes.is_empty() {
        let _ = writeln!(page, "<p class=\"notes\">{}</p>", escape(&notes.join(" ")));
    }
    page.push_str("<p class=\"links\">");
    for (name, href) in links {
        let href = escape(href);
        let _ = write!(
            page,
            "<a href=\"{href}\" aria-label=\"{name}: {href}\">{name}</a> "
        );
    }
    page.push_str("</p>\n</figure>\n");
}

fn push_figure(
    page: &mut String,
    figure: &Figure,
    numbers: &mut Numbers,
) -> Result<(), ReportError> {
    let drawing = to_svg(figure)?;
    numbers.figures += 1;
    let id = escape(&figure.id);
    let _ = writeln!(page, "<figure class=\"card\" id=\"{id}\">");
    heading(page, "Figure", numbers.figures, &figure.title);
    page.push_str(&drawing.svg);
    let links = [
        ("CSV", format!("data/{}.csv", figure.id)),
        ("JSON", format!("data/{}.json", figure.id)),
        ("SVG", format!("figures/{}.svg", figure.id)),
    ];
    ending(page, &figure.caption, &drawing.notes, &links);
    Ok(())
}

fn push_table(page: &mut String, table: &Table, numbers: &mut Numbers) {
    numbers.tables += 1;
    let (id, title) = (escape(&table.id), escape(&table.title));
    let _ = writeln!(page, "<figure class=\"wide\" id=\"{id}\">");
    heading(page, "Table", numbers.tables, &table.title);
    let links = [
        ("CSV", format!("data/{}.csv", table.id)),
        ("JSON", format!("data/{}.json", table.id)),
    ];
    if table.only_in_files {
        let notes = vec![format!("{} rows, in the files.", table.rows.len())];
        ending(page, &table.caption, &notes, &links);
        return;
    }
    let _ = writeln!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n<table>\n\
         <caption class=\"hidden\">{title}</caption>\n<thead><tr>"
    );
    let numeric: Vec<bool> = (0..table.columns.len())
        .map(|j| table.is_numeric_column(j))
        .collect();
    for (name, &numeric) in table.columns.iter().zip(&numeric) {
        let class = if numeric { " class=\"num\"" } else { "" };
        let _ = write!(page, "<th scope=\"col\"{class}>{}</th>", escape(name));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for (j, cell) in row.iter().enumerate() {
            let text = escape(&cell.display());
            let class = if numeric[j] { " class=\"num\"" } else { "" };
            let _ = if j == 0 {
                write!(page, "<th scope=\"row\"{class}>{text}</th>")
            } else {
                write!(page, "<td{class}>{text}</td>")
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
    let notes = if table.rows.is_empty() {
        vec!["There are no rows.".to_owned()]
    } else {
        vec![]
    };
    ending(page, &table.caption, &notes, &links);
}

fn is_panels(grid: &ImageGrid) -> bool {
    let columns = grid.cells.first().map_or(0, Vec::len);
    grid.row_labels
        .iter()
        .chain(&grid.column_labels)
        .all(String::is_empty)
        && (1..=MAX_PANELS).contains(&columns)
}

fn push_pictures(
    page: &mut String,
    grid: &ImageGrid,
    numbers: &mut Numbers,
) -> Result<(), ReportError> {
    numbers.figures += 1;
    let class = if is_panels(grid) { "card" } else { "wide" };
    let _ = writeln!(
        page,
        "<figure class=\"{class}\" id=\"{}\">",
        escape(&grid.id)
    );
    heading(page, "Figure", numbers.figures, &grid.title);
    if is_panels(grid) {
        push_panels(page, grid)?;
    } else {
        push_picture_table(page, grid)?;
    }
    let is_empty = grid.cells.iter().flatten().all(Option::is_none);
    let notes = if is_empty {
        vec!["There are no pictures.".to_owned()]
    } else {
        vec![]
    };
    let links = [
        ("PNG", format!("images/{}.png", grid.id)),
        ("JSON", format!("data/{}.json", grid.id)),
    ];
    ending(page, &grid.caption, &notes, &links);
    Ok(())
}

fn push_panels(page: &mut String, grid: &ImageGrid) -> Result<(), ReportError> {
    let columns = grid.cells.first().map_or(1, Vec::len);
    let _ = writeln!(page, "<div class=\"panels panels-{columns}\">");
    for (i, row) in grid.cells.iter().enumerate() {
        for (j, cell) in row.iter().enumerate() {
            page.push_str("<figure class=\"panel\">");
            if let Some(cell) = cell {
                push_picture(page, cell, &grid.alt_text(i, j))?;
                // A name before the colon reads as the panel's title.
                let (name, more) = cell.caption.split_once(": ").unwrap_or((&cell.caption, ""));
                let _ = write!(page, "<figcaption><b>{}</b>", escape(name));
                if !more.is_empty() {
                    let _ = write!(page, " <span>{}</span>", escape(more));
                }
                page.push_str("</figcaption>");
            }
            page.push_str("</figure>\n");
        }
    }
    page.push_str("</div>\n");
    Ok(())
}

fn push_picture_table(page: &mut String, grid: &ImageGrid) -> Result<(), ReportError> {
    let title = escape(&grid.title);
    let _ = writeln!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n\
         <table class=\"pictures\">\n<caption class=\"hidden\">{title}</caption>"
    );
    let has_rows = grid.row_labels.iter().any(|label| !label.is_empty());
    if grid.column_labels.iter().any(|label| !label.is_empty()) {
        page.push_str("<thead><tr>");
        page.push_str(if has_rows { "<td></td>" } else { "" });
        for label in &grid.column_labels {
            let _ = write!(page, "<th scope=\"col\">{}</th>", escape(label));
        }
        page.push_str("</tr></thead>\n");
    }
    page.push_str("<tbody>\n");
    for (i, row) in grid.cells.iter().enumerate() {
        page.push_str("<tr>");
        if has_rows {
            let label = escape(&grid.row_labels[i]);
            let _ = write!(page, "<th scope=\"row\">{label}</th>");
        }
        for (j, cell) in row.iter().enumerate() {
            page.push_str("<td>");
            if let Some(cell) = cell {
                push_picture(page, cell, &grid.alt_text(i, j))?;
                if !cell.caption.is_empty() {
                    let _ = write!(page, "<span>{}</span>", escape(&cell.caption));
                }
            }
            page.push_str("</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
    Ok(())
}

fn push_picture(page: &mut String, cell: &ImageCell, alt: &str) -> Result<(), ReportError> {
    let data = BASE64.encode(cell.picture.to_png(1)?);
    let _ = write!(
        page,
        "<img src=\"data:image/png;base64,{data}\" width=\"{}\" height=\"{}\" alt=\"{}\">",
        cell.picture.width,
        cell.picture.height,
        escape(alt)
    );
    Ok(())
}
