//! The mask of a client's payload (RFC 6455, section 5.3).

/// Bytes masked in one step of the loop: two of the widest registers of x86-64-v3, so that it compiles to vector code
/// (`benches/ws.rs` would show if it did not).
const STEP: usize = 64;

/// A masking key, turned to where the payload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    /// The key as it stands in the frame's head.
    pub(super) fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Masks the next bytes of the payload, or unmasks them.
    pub(super) fn apply(&mut self, payload: &mut [u8]) {
        let wide: [u8; STEP] = std::array::from_fn(|index| self.0[index % 4]);
        let (steps, rest) = payload.as_chunks_mut::<STEP>();
        for step in steps {
            for (byte, key) in step.iter_mut().zip(wide) {
                *byte ^= key;
            }
        }
        for (byte, key) in rest.iter_mut().zip(wide) {
            *byte ^= key;
        }
        self.0.rotate_left(payload.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_meets_its_byte_of_the_key_however_the_payload_is_cut() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let payload: Vec<u8> = (0..=255).cycle().take(300).collect();
        let expected: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for cut in 0..payload.len() {
            let mut masked = payload.clone();
            let (first, second) = masked.split_at_mut(cut);
            let mut mask = Mask::new(key);
            mask.apply(first);
            mask.apply(second);
            assert_eq!(masked, expected, "cut at {cut}");
        }
    }
}
