//! Keyed randomness: one root number, split by labels and indices, never by global state.
//!
//! A [`SeedTree`] is a 128-bit state. Children are made by absorbing a label or an index into the
//! state, so every draw in a program is addressed by its path (`"train" / "shuffle" / epoch`) and
//! a resumed run needs no saved generator. The mixing function is part of the file format of
//! every result ever recorded: golden tests fix it and it must not change.
//!
//! Not for cryptography, and not for sampling itself: distributions live in other crates.

use std::fmt;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Domain tag of a label, so that a label and an index never absorb the same words.
const TAG_LABEL: u64 = 0x6c61_6265_6c00_0001;
/// Domain tag of an index.
const TAG_INDEX: u64 = 0x696e_6465_7800_0002;
/// Domain tag of the expansion into generator keys and seeds.
const TAG_OUTPUT: u64 = 0x6f75_7470_7574_0003;
/// Domain tag of the root number.
const TAG_ROOT: u64 = 0x726f_6f74_0000_0004;
/// The golden-ratio increment of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Starting value of the second half of the state (the fraction bits of π).
const PI_BITS: u64 = 0x243f_6a88_85a3_08d3;

/// One node of the tree of random streams.
///
/// Two nodes are equal exactly when their states are; paths that differ give states that differ
/// except with the probability of a 128-bit collision.
///
/// # Formula
///
/// ```text
/// mix(v)         = the SplitMix64 finaliser (Stafford's variant 13)
/// absorb(w):  a ← mix((a ⊕ w) + GOLDEN),  b ← mix(rotl(b, 23) ⊕ a) + w
/// child(label)   = absorb TAG_LABEL, the byte length, then the bytes as little-endian words
/// index(i)       = absorb TAG_INDEX, then i
/// ```
///
/// # References
///
/// Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SeedTree {
    a: u64,
    b: u64,
}

impl SeedTree {
    /// Makes the root node of a program from the one number that the user chooses.
    pub fn new(root: u64) -> Self {
        let mut tree = Self { a: 0, b: PI_BITS };
        tree.absorb(TAG_ROOT);
        tree.absorb(root);
        tree
    }

    /// Returns the child that belongs to `label`; the node itself does not change.
    pub fn child(&self, label: &str) -> Self {
        let mut tree = self.clone();
        tree.absorb(TAG_LABEL);
        tree.absorb(label.len() as u64);
        for chunk in label.as_bytes().chunks(8) {
            let mut word = [0_u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            tree.absorb(u64::from_le_bytes(word));
        }
        tree
    }

    /// Returns the child that belongs to number `i` (an epoch, a row, a chunk).
    pub fn index(&self, i: u64) -> Self {
        let mut tree = self.clone();
        tree.absorb(TAG_INDEX);
        tree.absorb(i);
        tree
    }

    /// Returns a fresh generator at the start of this node's stream.
    ///
    /// Two calls give two generators that yield the same numbers: make one per purpose.
    pub fn rng(&self) -> ChaCha8Rng {
        let mut key = [0_u8; 32];
        for (i, word) in key.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&self.output(i as u64).to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }

    /// Returns a 64-bit seed for a foreign generator, from another word of the output than the
    /// key of [`SeedTree::rng`].
    pub fn seed_u64(&self) -> u64 {
        self.output(4)
    }

    /// Word `i` of this node's output.
    fn output(&self, i: u64) -> u64 {
        let mut tree = self.clone();
        tree.absorb(TAG_OUTPUT);
        tree.absorb(i);
        tree.a ^ tree.b
    }

    /// Folds one word into both halves. With the other half fixed the map from word to `a` is a
    /// bijection, so two words can never lead to one state.
    fn absorb(&mut self, word: u64) {
        self.a = mix((self.a ^ word).wrapping_add(GOLDEN));
        self.b = mix(self.b.rotate_left(23) ^ self.a).wrapping_add(word);
    }
}

/// The SplitMix64 finaliser, a bijection of 64-bit words with full avalanche.
fn mix(mut v: u64) -> u64 {
    v = (v ^ (v >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    v = (v ^ (v >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    v ^ (v >> 31)
}

/// Shows the state as 32 hexadecimal digits, the form in which it is stored.
impl fmt::Display for SeedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.a, self.b)
    }
}

impl From<SeedTree> for String {
    fn from(tree: SeedTree) -> Self {
        tree.to_string()
    }
}

impl TryFrom<String> for SeedTree {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bad = || format!("a seed state is 32 hexadecimal digits, found {text:?}");
        if text.len() != 32 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let half = |s: &str| u64::from_str_radix(s, 16).map_err(|_ignored| bad());
        Ok(Self {
            a: half(&text[..16])?,
            b: half(&text[16..])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng;

    use super::*;

    /// These numbers are the contract: tests/golden/seed.py derives them independently.
    #[test]
    fn mixing_is_fixed_forever() {
        let root = SeedTree::new(0);
        let node = SeedTree::new(42).child("train").child("shuffle").index(7);
        let text = include_str!("../tests/golden/seed.json");
        let golden: serde_json::Value = serde_json::from_str(text).expect("golden file parses");
        let expect = |key: &str| golden[key].as_str().expect("a string").to_owned();
        assert_eq!(root.to_string(), expect("root_0"));
        assert_eq!(node.to_string(), expect("node"));
        assert_eq!(
            SeedTree::new(u64::MAX).child("").to_string(),
            expect("empty_label")
        );
        assert_eq!(format!("{:016x}", node.seed_u64()), expect("node_seed_u64"));
        assert_eq!(
            SeedTree::new(1)
                .child("a label longer than eight bytes")
                .to_string(),
            expect("long_label")
        );
        let draws: Vec<String> = {
            let mut rng = node.rng();
            (0..4).map(|_| format!("{:016x}", rng.next_u64())).collect()
        };
        assert_eq!(draws.join(" "), expect("node_chacha8"));
    }

    #[test]
    fn labels_and_indices_never_meet() {
        let root = SeedTree::new(3);
        let mut seen = BTreeSet::new();
        for i in 0..2000_u64 {
            assert!(seen.insert(root.index(i).to_string()));
            assert!(seen.insert(root.child(&i.to_string()).to_string()));
        }
        for label in ["", "\0", "\0\0", "a", "a\0", "ab", "a/b"] {
            assert!(seen.insert(root.child(label).to_string()), "{label:?}");
        }
        assert!(seen.insert(root.child("a").child("b").to_string()));
        assert!(seen.insert(root.child("b").child("a").to_string()));
        assert!(seen.insert(root.index(1).index(2).to_string()));
        assert!(seen.insert(root.index(2).index(1).to_string()));
    }

    #[test]
    fn neighbors_differ_in_about_half_of_their_bits() {
        let root = SeedTree::new(9);
        let mut bits = 0_u32;
        const PAIRS: u64 = 512;
        for i in 0..PAIRS {
            bits += (root.index(i).seed_u64() ^ root.index(i + 1).seed_u64()).count_ones();
        }
        let mean = f64::from(bits) / PAIRS as f64;
        // The mean of 512 Binomial(64, 1/2) counts has standard deviation 0.18: this is 5 of them.
        assert!((mean - 32.0).abs() < 0.9, "{mean}");
    }

    #[test]
    fn state_survives_json_and_bad_states_are_named() {
        let node = SeedTree::new(5).child("x").index(1);
        let json = serde_json::to_string(&node).expect("a string serializes");
        assert_eq!(
            serde_json::from_str::<SeedTree>(&json).expect("round trip"),
            node
        );
        for bad in [
            "\"\"",
            "\"zz\"",
            "\"+000000000000000+000000000000000\"",
            "3",
        ] {
            assert!(serde_json::from_str::<SeedTree>(bad).is_err(), "{bad}");
        }
    }
}
