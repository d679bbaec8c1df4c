// Macros of a run of the generator: the key words of a round, and the planes after the first. Mirrors
// src/mask/philox.rs.

// So many steps of the key schedule.
{% macro key_steps(count) %}
vec2(${(key_step[0] * count) % 4294967296}u, ${(key_step[1] * count) % 4294967296}u)
{%- endmacro %}

// Those of round `round`: the samples of a Monte-Carlo launch have keys of their own.
{% macro round_key(round) %}
{% if not sample_keys %}params.round_keys[${round // 2}].${"xy" if round % 2 == 0 else "zw"}
{%- elif round == 0 %}sample_key
{%- else %}sample_key + ${key_steps(round)}{% endif %}
{% endmacro %}

// The planes after the first of some bricks, in a loop: what each names `state` and `drop`, with these endings.
//% macro compare_planes(bricks)
    var key = ${round_key(rounds)};
    for (var bit = ${first_bit}u; bit < ${last_bit}; bit++) {
//% for brick in bricks
        state${brick} = next_plane(state${brick}, key);
        drop${brick} = compare_bit(drop${brick}, state${brick}, zero_at(bit));
//% endfor
        key += ${key_steps(plane_rounds)};
    }
//% endmacro
