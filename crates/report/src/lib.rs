//! Results to text and pictures: records, tables, figures, one self-contained HTML page.
