//! Memory that is free goes back to the system.
//!
//! glibc serves large blocks from the system directly and gives them back when they are freed, until the first of them
//! is freed: then it takes blocks of up to that size (32 MB at most) from its heaps from then on. One body of 8 MB is
//! enough, and the heaps of every thread that read a large body keep what they once had for as long as something small
//! lies above it. With a bound that stands still large blocks always go back. It costs the system's pages at each large
//! block, which is little beside reading it.
//!
//! Other allocators are left as they are: musl, macOS and Windows do not keep such blocks.
#![expect(
    unsafe_code,
    reason = "the options of the allocator have no safe front; nothing else here is unsafe"
)]

/// Bytes from which on a block is the system's own: where glibc begins as well.
const SYSTEM_BLOCK_BYTES: libc::c_int = 128 << 10;

/// Fixes the bound, for all threads. Before large blocks are asked for; `false` where the allocator does not take it.
pub(super) fn give_back_large_blocks() -> bool {
    // SAFETY: mallopt takes two numbers, locks the allocator itself and changes no block that is in use. It may be
    // called at any time and from any thread.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, SYSTEM_BLOCK_BYTES) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    #[test]
    fn large_blocks_go_back_although_a_larger_one_was_freed_and_small_ones_stay() {
        assert!(give_back_large_blocks());
        // This would raise the bound.
        drop(std::hint::black_box(vec![1u8; 24 << 20]));
        let before = resident_bytes();
        let (blocks, small): (Vec<Vec<u8>>, Vec<Vec<u8>>) =
            (0..64).map(|_| (vec![1; 1 << 20], vec![1; 100])).unzip();
        let between = resident_bytes();
        assert!(between - before > 48 << 20, "the blocks are there: {before} {between}");
        drop(std::hint::black_box(blocks));
        let after = resident_bytes();
        assert!(after.saturating_sub(before) < 16 << 20, "{before} before, {after} after, {between} between");
        drop(std::hint::black_box(small));
    }
}
