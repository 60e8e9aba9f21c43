//! Plain vocabulary shared by every crate: seeds, codecs, configuration, provenance, errors.
