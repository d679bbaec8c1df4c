// Macros for the key words of a round. Twin: src/mask/philox.rs.

// So many steps of the key schedule.
{% macro key_steps(count) %}
vec2(${(key_step[0] * count) % 4294967296}u, ${(key_step[1] * count) % 4294967296}u)
{%- endmacro %}

// Those of round `round`: the passes of a Monte-Carlo launch have keys of their own.
{% macro round_key(round) %}
{% if not pass_keys %}params.round_keys[${round // 2}].${"xy" if round % 2 == 0 else "zw"}
{%- elif round == 0 %}pass_key
{%- else %}pass_key + ${key_steps(round)}{% endif %}
{% endmacro %}
