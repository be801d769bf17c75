-- The catalog. CSV is the truth, this database is built from it. Units are those of the sources;
-- the reader converts once. Every figure has a source; what is assumed says so in its note.
-- The checker reads types, keys and CHECKs from here, so a rule stands in one place only.

CREATE TABLE sources (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    title VARCHAR NOT NULL CHECK (title <> ''),
    publisher VARCHAR NOT NULL CHECK (publisher <> ''),
    url VARCHAR NOT NULL CHECK (url <> ''),
    published VARCHAR NOT NULL,
    retrieved VARCHAR NOT NULL CHECK (retrieved <> ''),
    licence VARCHAR NOT NULL CHECK (licence <> '')
);

CREATE TABLE accelerators (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    vendor VARCHAR NOT NULL CHECK (vendor <> ''),
    launch_year INTEGER NOT NULL CHECK (launch_year BETWEEN 2010 AND 2035),
    family VARCHAR NOT NULL CHECK (family <> ''),
    form_factor VARCHAR NOT NULL CHECK (form_factor IN ('sxm', 'pcie')),
    n_dies INTEGER NOT NULL CHECK (n_dies BETWEEN 1 AND 64),
    die_area_mm2 DOUBLE NOT NULL CHECK (die_area_mm2 BETWEEN 10 AND 900),
    node_nm INTEGER NOT NULL CHECK (node_nm IN (28, 20, 14, 10, 8, 7, 5, 3)),
    memory_type VARCHAR NOT NULL CHECK (memory_type <> ''),
    memory_gb DOUBLE NOT NULL CHECK (memory_gb BETWEEN 1 AND 1000),
    memory_gb_per_s DOUBLE NOT NULL CHECK (memory_gb_per_s BETWEEN 10 AND 50000),
    bf16_tflops DOUBLE NOT NULL CHECK (bf16_tflops BETWEEN 1 AND 20000),
    fp8_tflops DOUBLE CHECK (fp8_tflops BETWEEN 1 AND 40000),
    tdp_w DOUBLE NOT NULL CHECK (tdp_w BETWEEN 10 AND 3000),
    idle_w DOUBLE NOT NULL CHECK (idle_w > 0),
    link_gb_per_s DOUBLE NOT NULL CHECK (link_gb_per_s BETWEEN 1 AND 5000),
    allreduce_gb_per_s DOUBLE CHECK (allreduce_gb_per_s BETWEEN 1 AND 5000),
    max_tp INTEGER NOT NULL CHECK (max_tp IN (1, 2, 4, 8, 16, 32, 64, 72)),
    board_area_cm2 DOUBLE NOT NULL CHECK (board_area_cm2 BETWEEN 10 AND 2000),
    psu_w DOUBLE NOT NULL CHECK (psu_w BETWEEN 50 AND 5000),
    capex_usd DOUBLE NOT NULL CHECK (capex_usd BETWEEN 100 AND 200000),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (idle_w < tdp_w),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN accelerators.die_area_mm2 IS 'mm2, one die';
COMMENT ON COLUMN accelerators.node_nm IS 'nm, nearest node of the fab tables';
COMMENT ON COLUMN accelerators.memory_gb IS 'GB';
COMMENT ON COLUMN accelerators.memory_gb_per_s IS 'GB/s, data sheet';
COMMENT ON COLUMN accelerators.bf16_tflops IS 'TFLOPS, dense';
COMMENT ON COLUMN accelerators.fp8_tflops IS 'TFLOPS, dense; empty without native fp8';
COMMENT ON COLUMN accelerators.tdp_w IS 'W';
COMMENT ON COLUMN accelerators.idle_w IS 'W, context resident';
COMMENT ON COLUMN accelerators.link_gb_per_s IS 'GB/s, one direction, per accelerator';
COMMENT ON COLUMN accelerators.allreduce_gb_per_s IS 'GB/s, measured bus bandwidth of the all-reduce';
COMMENT ON COLUMN accelerators.board_area_cm2 IS 'cm2';
COMMENT ON COLUMN accelerators.psu_w IS 'W, suggested supply of the card';
COMMENT ON COLUMN accelerators.capex_usd IS 'USD';

CREATE TABLE hosts (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    cpu_name VARCHAR NOT NULL CHECK (cpu_name <> ''),
    family VARCHAR NOT NULL CHECK (family IN ('xeon_amx', 'xeon_avx512', 'epyc_avx2', 'epyc_avx512')),
    sockets INTEGER NOT NULL CHECK (sockets BETWEEN 1 AND 8),
    cores_per_socket INTEGER NOT NULL CHECK (cores_per_socket BETWEEN 1 AND 512),
    vcpus INTEGER NOT NULL CHECK (vcpus BETWEEN 1 AND 4096),
    dies_per_socket INTEGER NOT NULL CHECK (dies_per_socket BETWEEN 1 AND 32),
    die_area_mm2 DOUBLE NOT NULL CHECK (die_area_mm2 BETWEEN 10 AND 900),
    node_nm INTEGER NOT NULL CHECK (node_nm IN (28, 20, 14, 10, 8, 7, 5, 3)),
    cpu_tdp_w DOUBLE NOT NULL CHECK (cpu_tdp_w BETWEEN 20 AND 1000),
    memory_gb_per_s DOUBLE NOT NULL CHECK (memory_gb_per_s BETWEEN 10 AND 5000),
    bf16_tflops DOUBLE NOT NULL CHECK (bf16_tflops BETWEEN 0.1 AND 2000),
    max_accelerators INTEGER NOT NULL CHECK (max_accelerators BETWEEN 1 AND 72),
    max_dram_gib DOUBLE NOT NULL CHECK (max_dram_gib BETWEEN 8 AND 65536),
    rack_units DOUBLE NOT NULL CHECK (rack_units BETWEEN 1 AND 48),
    n_psus INTEGER NOT NULL CHECK (n_psus BETWEEN 1 AND 32),
    capex_usd DOUBLE NOT NULL CHECK (capex_usd BETWEEN 500 AND 500000),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (vcpus = 2 * sockets * cores_per_socket),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN hosts.die_area_mm2 IS 'mm2, one die (mean of the chiplets)';
COMMENT ON COLUMN hosts.cpu_tdp_w IS 'W per socket';
COMMENT ON COLUMN hosts.memory_gb_per_s IS 'GB/s per socket, theoretical';
COMMENT ON COLUMN hosts.bf16_tflops IS 'TFLOPS per socket, theoretical peak of the matrix or vector units';
COMMENT ON COLUMN hosts.max_dram_gib IS 'GiB';
COMMENT ON COLUMN hosts.rack_units IS 'U';
COMMENT ON COLUMN hosts.capex_usd IS 'USD, without accelerators, DRAM, SSD and NICs';

CREATE TABLE servers (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    provider VARCHAR NOT NULL CHECK (provider <> ''),
    offer VARCHAR NOT NULL CHECK (offer IN ('purchase', 'rental')),
    host_id VARCHAR NOT NULL REFERENCES hosts (id),
    accelerator_id VARCHAR NOT NULL REFERENCES accelerators (id),
    n_accelerators INTEGER NOT NULL CHECK (n_accelerators BETWEEN 1 AND 72),
    vcpus INTEGER NOT NULL CHECK (vcpus BETWEEN 1 AND 4096),
    dram_gib DOUBLE NOT NULL CHECK (dram_gib BETWEEN 1 AND 65536),
    ssd_gb DOUBLE NOT NULL CHECK (ssd_gb BETWEEN 0 AND 1000000),
    n_nics INTEGER NOT NULL CHECK (n_nics BETWEEN 0 AND 64),
    nic_gbps DOUBLE NOT NULL CHECK (nic_gbps BETWEEN 0 AND 3200),
    rental_usd_per_h DOUBLE CHECK (rental_usd_per_h BETWEEN 0.01 AND 5000),
    price_date VARCHAR NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK ((offer = 'rental') = (rental_usd_per_h IS NOT NULL)),
    CHECK (offer <> 'rental' OR price_date <> ''),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN servers.dram_gib IS 'GiB';
COMMENT ON COLUMN servers.ssd_gb IS 'GB';
COMMENT ON COLUMN servers.n_nics IS 'NICs of the whole machine where the server is a share of one';
COMMENT ON COLUMN servers.nic_gbps IS 'Gbit/s per NIC; for a share of a machine, the bandwidth of the share';
COMMENT ON COLUMN servers.rental_usd_per_h IS 'USD/h, on demand, electricity included';

CREATE TABLE llms (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    aliases VARCHAR[] NOT NULL,
    layers INTEGER NOT NULL CHECK (layers BETWEEN 1 AND 1000),
    d_model INTEGER NOT NULL CHECK (d_model BETWEEN 64 AND 65536),
    n_heads INTEGER NOT NULL CHECK (n_heads BETWEEN 1 AND 1024),
    n_kv_heads INTEGER NOT NULL CHECK (n_kv_heads BETWEEN 1 AND 1024),
    head_dim INTEGER NOT NULL CHECK (head_dim BETWEEN 16 AND 1024),
    vocab INTEGER NOT NULL CHECK (vocab BETWEEN 1000 AND 1000000),
    params_b DOUBLE NOT NULL CHECK (params_b BETWEEN 0.01 AND 10000),
    active_b DOUBLE NOT NULL CHECK (active_b > 0),
    n_experts INTEGER NOT NULL CHECK (n_experts BETWEEN 0 AND 4096),
    experts_per_token INTEGER NOT NULL CHECK (experts_per_token >= 0),
    tied_embeddings BOOLEAN NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (active_b <= params_b),
    CHECK (n_kv_heads <= n_heads),
    CHECK (experts_per_token <= n_experts),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN llms.params_b IS '1e9 parameters, every expert and the embeddings';
COMMENT ON COLUMN llms.active_b IS '1e9 parameters active per token';

CREATE TABLE host_power (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    value DOUBLE NOT NULL CHECK (value >= 0),
    low DOUBLE NOT NULL CHECK (low >= 0),
    high DOUBLE NOT NULL,
    unit VARCHAR NOT NULL CHECK (unit <> ''),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (low <= value AND value <= high),
    CHECK (quality <> 'assumed' OR note <> '')
);

CREATE TABLE prices (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    value DOUBLE NOT NULL CHECK (value >= 0),
    low DOUBLE NOT NULL CHECK (low >= 0),
    high DOUBLE NOT NULL,
    unit VARCHAR NOT NULL CHECK (unit <> ''),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (low <= value AND value <= high),
    CHECK (quality <> 'assumed' OR note <> '')
);

CREATE TABLE embodied_coefficients (
    id VARCHAR PRIMARY KEY,
    "set" VARCHAR NOT NULL CHECK ("set" IN ('paper', 'pcf')),
    item VARCHAR NOT NULL CHECK (regexp_full_match(item, '[a-z0-9_]+')),
    "key" VARCHAR NOT NULL,
    value DOUBLE NOT NULL CHECK (value >= 0),
    low DOUBLE NOT NULL CHECK (low >= 0),
    high DOUBLE NOT NULL,
    unit VARCHAR NOT NULL CHECK (unit <> ''),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = "set" || '/' || item || '/' || "key"),
    CHECK (low <= value AND value <= high),
    CHECK (value > 0 OR note <> ''),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN embodied_coefficients."key" IS 'node in nm, memory type, form factor or accelerator id; empty = all';

CREATE TABLE serving_parameters (
    id VARCHAR PRIMARY KEY,
    family VARCHAR NOT NULL CHECK (family <> ''),
    stack VARCHAR NOT NULL CHECK (regexp_full_match(stack, '[a-z0-9_]+')),
    "precision" VARCHAR NOT NULL CHECK ("precision" IN ('bf16', 'fp8', 'int8', 'int4')),
    mbu DOUBLE NOT NULL CHECK (mbu > 0 AND mbu <= 1),
    mbu_kv DOUBLE NOT NULL CHECK (mbu_kv > 0 AND mbu_kv <= 1),
    mfu_decode DOUBLE NOT NULL CHECK (mfu_decode > 0 AND mfu_decode <= 1),
    mfu_prefill DOUBLE NOT NULL CHECK (mfu_prefill > 0 AND mfu_prefill <= 1),
    allreduce_latency_us DOUBLE NOT NULL CHECK (allreduce_latency_us BETWEEN 0 AND 1000),
    t0_ms DOUBLE NOT NULL CHECK (t0_ms BETWEEN 0 AND 100),
    t_layer_us DOUBLE NOT NULL CHECK (t_layer_us BETWEEN 0 AND 10000),
    t_seq_us DOUBLE NOT NULL CHECK (t_seq_us BETWEEN 0 AND 10000),
    t_request_ms DOUBLE NOT NULL CHECK (t_request_ms BETWEEN 0 AND 10000),
    bus_ratio DOUBLE NOT NULL CHECK (bus_ratio > 0 AND bus_ratio <= 1),
    overlap_norm DOUBLE NOT NULL CHECK (overlap_norm BETWEEN 1 AND 12),
    error_band DOUBLE NOT NULL CHECK (error_band > 0 AND error_band <= 1),
    provenance VARCHAR NOT NULL CHECK (provenance IN ('calibrated', 'inherited', 'assumed')),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = family || '/' || stack || '/' || "precision"),
    CHECK (provenance = 'calibrated' OR note <> ''),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN serving_parameters.mbu IS 'share of the memory bandwidth reached on weights';
COMMENT ON COLUMN serving_parameters.mbu_kv IS 'share of the memory bandwidth reached on the KV cache';
COMMENT ON COLUMN serving_parameters.mfu_decode IS 'share of the dense peak at this precision';
COMMENT ON COLUMN serving_parameters.mfu_prefill IS 'share of the dense peak at this precision';
COMMENT ON COLUMN serving_parameters.allreduce_latency_us IS 'us per all-reduce';
COMMENT ON COLUMN serving_parameters.t0_ms IS 'ms per step';
COMMENT ON COLUMN serving_parameters.t_layer_us IS 'us per layer';
COMMENT ON COLUMN serving_parameters.t_seq_us IS 'us per sequence';
COMMENT ON COLUMN serving_parameters.error_band IS 'relative error of TPOT';

CREATE TABLE power_parameters (
    id VARCHAR PRIMARY KEY,
    family VARCHAR NOT NULL CHECK (family <> ''),
    p0_ratio DOUBLE NOT NULL CHECK (p0_ratio > 0 AND p0_ratio < 1),
    a_ratio DOUBLE NOT NULL CHECK (a_ratio >= 0),
    b_ratio DOUBLE NOT NULL CHECK (b_ratio >= 0),
    sequence_layer_us DOUBLE NOT NULL CHECK (sequence_layer_us BETWEEN 0 AND 100),
    cap_ratio DOUBLE NOT NULL CHECK (cap_ratio > 0 AND cap_ratio <= 1),
    phases VARCHAR[] NOT NULL,
    precisions VARCHAR[] NOT NULL,
    u_mem_max DOUBLE NOT NULL CHECK (u_mem_max > 0 AND u_mem_max <= 1),
    u_cmp_max DOUBLE NOT NULL CHECK (u_cmp_max > 0 AND u_cmp_max <= 1),
    error_band DOUBLE NOT NULL CHECK (error_band > 0 AND error_band <= 1),
    provenance VARCHAR NOT NULL CHECK (provenance IN ('calibrated', 'inherited', 'assumed')),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = family),
    CHECK (provenance = 'calibrated' OR note <> ''),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN power_parameters.p0_ratio IS 'ratio of TDP; so are a and b';
COMMENT ON COLUMN power_parameters.sequence_layer_us IS 'us of TDP per sequence, layer and step on one accelerator';
COMMENT ON COLUMN power_parameters.phases IS 'phases among the points of the fit: prefill, decode, mixed';
COMMENT ON COLUMN power_parameters.precisions IS 'precisions among the points of the fit';
COMMENT ON COLUMN power_parameters.u_mem_max IS 'largest memory utilisation among the points of the fit';
COMMENT ON COLUMN power_parameters.u_cmp_max IS 'largest compute utilisation among the points of the fit';

CREATE TABLE length_mixes (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);

-- A bucket's source and quality are those of its mix.
CREATE TABLE length_buckets (
    mix_id VARCHAR NOT NULL REFERENCES length_mixes (id),
    isl_lo_tokens DOUBLE NOT NULL CHECK (isl_lo_tokens >= 0),
    isl_hi_tokens DOUBLE NOT NULL,
    osl_lo_tokens DOUBLE NOT NULL CHECK (osl_lo_tokens >= 0),
    osl_hi_tokens DOUBLE NOT NULL,
    requests INTEGER NOT NULL CHECK (requests > 0),
    mean_isl_tokens DOUBLE NOT NULL,
    mean_osl_tokens DOUBLE NOT NULL,
    PRIMARY KEY (mix_id, isl_lo_tokens, osl_lo_tokens),
    CHECK (isl_lo_tokens <= mean_isl_tokens AND mean_isl_tokens <= isl_hi_tokens),
    CHECK (osl_lo_tokens <= mean_osl_tokens AND mean_osl_tokens <= osl_hi_tokens)
);
COMMENT ON COLUMN length_buckets.isl_lo_tokens IS 'tokens; bins are lo < x <= hi';
COMMENT ON COLUMN length_buckets.requests IS 'requests in the cell';
COMMENT ON COLUMN length_buckets.mean_isl_tokens IS 'tokens, mean of the requests in the cell';

CREATE TABLE rate_profiles (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    utc_offset_h INTEGER NOT NULL CHECK (utc_offset_h BETWEEN -12 AND 14),
    hourly_ratio DOUBLE[24] NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (list_min(CAST(hourly_ratio AS DOUBLE[])) >= 0),
    CHECK (list_max(CAST(hourly_ratio AS DOUBLE[])) BETWEEN 0.01 AND 100),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN rate_profiles.hourly_ratio IS 'relative rate by hour of day, hour 0 first';

CREATE TABLE grid_profiles (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    utc_offset_h INTEGER NOT NULL CHECK (utc_offset_h BETWEEN -12 AND 14),
    hourly_gco2e_per_kwh DOUBLE[24] NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (list_min(CAST(hourly_gco2e_per_kwh AS DOUBLE[])) >= 0),
    CHECK (list_max(CAST(hourly_gco2e_per_kwh AS DOUBLE[])) BETWEEN 1 AND 2000),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN grid_profiles.utc_offset_h IS 'h, standard time of the zone; the hours are local clock';
COMMENT ON COLUMN grid_profiles.hourly_gco2e_per_kwh IS 'gCO2e/kWh by local hour of day, hour 0 first';

CREATE TABLE regions (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    provider VARCHAR NOT NULL CHECK (provider <> ''),
    gco2e_per_kwh DOUBLE NOT NULL CHECK (gco2e_per_kwh BETWEEN 0 AND 2000),
    pue DOUBLE NOT NULL CHECK (pue BETWEEN 1 AND 3),
    electricity_usd_per_kwh DOUBLE NOT NULL CHECK (electricity_usd_per_kwh BETWEEN 0 AND 1),
    utc_offset_h INTEGER NOT NULL CHECK (utc_offset_h BETWEEN -12 AND 14),
    grid_profile_id VARCHAR REFERENCES grid_profiles (id),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON COLUMN regions.gco2e_per_kwh IS 'gCO2e/kWh, annual, location-based life-cycle average';
COMMENT ON COLUMN regions.electricity_usd_per_kwh IS 'USD/kWh, wholesale';
COMMENT ON COLUMN regions.utc_offset_h IS 'h, standard time';

CREATE TABLE catalog_meta (version VARCHAR NOT NULL);

-- What was measured, and how the serving parameters come from it.

CREATE TABLE point_conventions (
    id VARCHAR PRIMARY KEY,
    source VARCHAR NOT NULL CHECK (source <> ''),
    phase VARCHAR NOT NULL CHECK (phase IN ('prefill', 'decode', 'e2e', 'linear_layer', 'allreduce')),
    power_scope VARCHAR NOT NULL CHECK (power_scope IN ('per_gpu', 'replica')),
    load VARCHAR NOT NULL CHECK (load IN ('isolated', 'closed_loop')),
    batch_means VARCHAR NOT NULL CHECK (batch_means IN ('sequences', 'tokens', 'elements', 'concurrency')),
    kv_precision VARCHAR NOT NULL CHECK (kv_precision IN ('bf16', 'fp8', 'int8')),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE point_conventions IS 'What the columns of one source mean in one phase';
COMMENT ON COLUMN point_conventions.power_scope IS 'watts of one accelerator or of all of the replica';
COMMENT ON COLUMN point_conventions.load IS 'one batch alone, or users that each wait for their last answer';
COMMENT ON COLUMN point_conventions.batch_means IS 'what the column batch counts';
COMMENT ON COLUMN point_conventions.kv_precision IS 'KV cache beside weights of 8 bits or fewer; 16 bits otherwise';

CREATE TABLE measured_points (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    source VARCHAR NOT NULL CHECK (source <> ''),
    model VARCHAR NOT NULL CHECK (model <> ''),
    hardware VARCHAR NOT NULL CHECK (hardware <> ''),
    tp INTEGER NOT NULL CHECK (tp BETWEEN 1 AND 72),
    "precision" VARCHAR NOT NULL,
    stack VARCHAR NOT NULL CHECK (stack <> ''),
    phase VARCHAR NOT NULL CHECK (phase IN ('prefill', 'decode', 'e2e', 'linear_layer', 'allreduce')),
    batch DOUBLE CHECK (batch > 0),
    input_len DOUBLE CHECK (input_len >= 0),
    output_len DOUBLE CHECK (output_len >= 0),
    context_len DOUBLE CHECK (context_len >= 0),
    latency_ms DOUBLE CHECK (latency_ms > 0),
    throughput_tok_s DOUBLE CHECK (throughput_tok_s > 0),
    power_w DOUBLE CHECK (power_w > 0),
    energy_j_per_token DOUBLE CHECK (energy_j_per_token > 0),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE measured_points IS 'Measurements by others that the model rests on; meaning in point_conventions';
COMMENT ON COLUMN measured_points.input_len IS 'tokens; so are the other lengths';
COMMENT ON COLUMN measured_points.throughput_tok_s IS 'output tokens/s, of a prefill the prompt tokens/s';

CREATE TABLE accelerator_aliases (
    id VARCHAR PRIMARY KEY CHECK (id <> ''),
    accelerator_id VARCHAR NOT NULL REFERENCES accelerators (id),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE accelerator_aliases IS 'Names of accelerators in measurements';

CREATE TABLE measured_cpus (
    id VARCHAR PRIMARY KEY CHECK (id <> ''),
    family VARCHAR NOT NULL CHECK (family <> ''),
    memory_gb_per_s DOUBLE NOT NULL CHECK (memory_gb_per_s BETWEEN 10 AND 5000),
    bf16_tflops DOUBLE NOT NULL CHECK (bf16_tflops BETWEEN 0.1 AND 2000),
    dram_gb DOUBLE NOT NULL CHECK (dram_gb BETWEEN 8 AND 65536),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE measured_cpus IS 'CPU sockets that somebody measured, as one device';
COMMENT ON COLUMN measured_cpus.memory_gb_per_s IS 'GB/s, theoretical, of all sockets used';
COMMENT ON COLUMN measured_cpus.bf16_tflops IS 'TFLOPS, theoretical peak of the matrix or vector units';
COMMENT ON COLUMN measured_cpus.dram_gb IS 'GB';

CREATE TABLE calibration_plans (
    id VARCHAR PRIMARY KEY,
    family VARCHAR NOT NULL CHECK (family <> ''),
    stack VARCHAR NOT NULL CHECK (regexp_full_match(stack, '[a-z0-9_]+')),
    "precision" VARCHAR NOT NULL CHECK ("precision" IN ('bf16', 'fp8', 'int8', 'int4')),
    from_id VARCHAR,
    allreduce_latency_us DOUBLE NOT NULL CHECK (allreduce_latency_us BETWEEN 0 AND 1000),
    t0_ms DOUBLE NOT NULL CHECK (t0_ms BETWEEN 0 AND 100),
    overlap_norm DOUBLE NOT NULL CHECK (overlap_norm BETWEEN 1 AND 12),
    error_factor DOUBLE NOT NULL CHECK (error_factor BETWEEN 1 AND 10),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = family || '/' || stack || '/' || "precision"),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE calibration_plans IS 'How the serving parameters of each key are found';
COMMENT ON COLUMN calibration_plans.from_id IS 'key of the prior, taken over where there are too few points';
COMMENT ON COLUMN calibration_plans.allreduce_latency_us IS 'us, from micro-benchmarks';
COMMENT ON COLUMN calibration_plans.t0_ms IS 'ms';
