//! Philox4x32, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3" (SC 2011). Mirrors `shaders/philox.wgsl`, and
//! `shaders/round_key.wgsl` for the keys of rounds.

/// Rounds of a call, and of a brick's run before its first bit plane: the default of the generator's authors, who know
/// of no flaw from eight on (Random123, `philox.h`).
pub(crate) const ROUNDS: u32 = 10;

/// Rounds of the generator from one state that is a plane to the next.
pub(crate) const PLANE_ROUNDS: u32 = 3;
/// States that are a plane each; of more bits the least significant ones come from the state before these.
pub(crate) const STATE_PLANES: u32 = 8;
/// Rounds of the longest run, at 9 bits or more.
pub(crate) const MOST_ROUNDS: u32 = ROUNDS + PLANE_ROUNDS * STATE_PLANES;

/// Rounds of the run that decides a brick at a resolution of so many bits, 0 drawing nothing.
pub(crate) const fn run_rounds(bits: u32) -> u32 {
    match bits {
        0 => 0,
        1..=STATE_PLANES => ROUNDS + PLANE_ROUNDS * (bits - 1),
        _ => MOST_ROUNDS,
    }
}

/// The multipliers of a round, for counter words 0 and 2.
pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What the key words grow by from round to round (the golden ratio and sqrt(3) - 1).
pub const KEY_STEP: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The key words of a round, counted from 0.
pub(crate) fn round_key(key: [u32; 2], round: u32) -> [u32; 2] {
    std::array::from_fn(|word| key[word].wrapping_add(round.wrapping_mul(KEY_STEP[word])))
}

/// `count` rounds that go on from `state`, the first of them being round `first` of the key schedule.
pub(crate) fn go_on(state: [u32; 4], key: [u32; 2], first: u32, count: u32) -> [u32; 4] {
    (first..first + count).fold(state, |c, round| {
        let key = round_key(key, round);
        let a = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        [(b >> 32) as u32 ^ c[1] ^ key[0], b as u32, (a >> 32) as u32 ^ c[3] ^ key[1], a as u32]
    })
}

/// One call of Philox4x32-10: 128 random bits for a counter under a key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    go_on(counter, key, 0, ROUNDS)
}
