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
COMMENT ON TABLE sources IS 'Who says so';
COMMENT ON COLUMN sources.title IS 'what it is called';
COMMENT ON COLUMN sources.publisher IS 'who stands behind it';
COMMENT ON COLUMN sources.url IS 'address, or the file of this project that derives the figures';
COMMENT ON COLUMN sources.published IS 'date or year of publication; empty: not stated';
COMMENT ON COLUMN sources.retrieved IS 'date it was read';
COMMENT ON COLUMN sources.licence IS 'terms it is under; facts: figures without a licence of their own';

CREATE TABLE providers (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    pue DOUBLE NOT NULL CHECK (pue BETWEEN 1 AND 3),
    pue_low DOUBLE NOT NULL CHECK (pue_low >= 1),
    pue_high DOUBLE NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (pue_low <= pue AND pue <= pue_high),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE providers IS 'Who runs the buildings; own stands for the user''s own or a colocation';
COMMENT ON COLUMN providers.pue IS 'ratio of facility to IT energy, fleet average; used where the region has none of its own';
COMMENT ON COLUMN providers.pue_low IS 'ratio, best of the fleet';
COMMENT ON COLUMN providers.pue_high IS 'ratio, worst of the fleet';

CREATE TABLE accelerators (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    vendor VARCHAR NOT NULL CHECK (vendor <> ''),
    launch_year INTEGER NOT NULL CHECK (launch_year BETWEEN 2010 AND 2035),
    family VARCHAR NOT NULL CHECK (family <> ''),
    form_factor VARCHAR NOT NULL CHECK (form_factor IN ('sxm', 'oam', 'pcie')),
    memory_type VARCHAR NOT NULL CHECK (memory_type IN ('gddr6', 'gddr7', 'hbm2', 'hbm2e', 'hbm3', 'hbm3e')),
    memory_gb DOUBLE NOT NULL CHECK (memory_gb BETWEEN 1 AND 1000),
    memory_gb_per_s DOUBLE NOT NULL CHECK (memory_gb_per_s BETWEEN 10 AND 50000),
    bf16_tflops DOUBLE NOT NULL CHECK (bf16_tflops BETWEEN 1 AND 20000),
    has_bf16 BOOLEAN NOT NULL,
    fp8_tflops DOUBLE CHECK (fp8_tflops BETWEEN 1 AND 40000),
    int8_tops DOUBLE CHECK (int8_tops BETWEEN 1 AND 40000),
    fp4_tflops DOUBLE CHECK (fp4_tflops BETWEEN 1 AND 80000),
    tdp_w DOUBLE NOT NULL CHECK (tdp_w BETWEEN 10 AND 3000),
    idle_w DOUBLE NOT NULL CHECK (idle_w > 0),
    idle_bare_w DOUBLE CHECK (idle_bare_w > 0),
    link_gb_per_s DOUBLE NOT NULL CHECK (link_gb_per_s BETWEEN 1 AND 5000),
    allreduce_gb_per_s DOUBLE CHECK (allreduce_gb_per_s BETWEEN 1 AND 5000),
    allreduce_latency_us DOUBLE CHECK (allreduce_latency_us BETWEEN 1 AND 1000),
    max_tp INTEGER NOT NULL CHECK (max_tp IN (1, 2, 4, 8, 16, 32, 64, 72)),
    board_area_cm2 DOUBLE NOT NULL CHECK (board_area_cm2 BETWEEN 10 AND 2000),
    psu_w DOUBLE NOT NULL CHECK (psu_w BETWEEN 50 AND 5000),
    capex_usd DOUBLE NOT NULL CHECK (capex_usd BETWEEN 100 AND 200000),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (idle_w < tdp_w),
    CHECK (idle_bare_w <= idle_w),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE accelerators IS 'Cards and modules that serve LLMs; their silicon is in dies';
COMMENT ON COLUMN accelerators.family IS 'key of serving_parameters and power_parameters';
COMMENT ON COLUMN accelerators.form_factor IS 'sxm or oam module, pcie card';
COMMENT ON COLUMN accelerators.memory_type IS 'key of memory_kg_per_gb in embodied_coefficients';
COMMENT ON COLUMN accelerators.memory_gb IS 'GB';
COMMENT ON COLUMN accelerators.memory_gb_per_s IS 'GB/s, data sheet';
COMMENT ON COLUMN accelerators.bf16_tflops IS 'TFLOPS, dense, 16 bit; fp16 where has_bf16 is false';
COMMENT ON COLUMN accelerators.has_bf16 IS 'whether bf16 runs natively; false: fp16 only';
COMMENT ON COLUMN accelerators.fp8_tflops IS 'TFLOPS, dense; empty without native fp8';
COMMENT ON COLUMN accelerators.int8_tops IS 'TOPS, dense; empty without native int8';
COMMENT ON COLUMN accelerators.fp4_tflops IS 'TFLOPS, dense; empty without native 4-bit floats';
COMMENT ON COLUMN accelerators.tdp_w IS 'W';
COMMENT ON COLUMN accelerators.idle_w IS 'W, a context resident';
COMMENT ON COLUMN accelerators.idle_bare_w IS 'W, no context; empty where nobody measured it';
COMMENT ON COLUMN accelerators.link_gb_per_s IS 'GB/s, one direction, per accelerator';
COMMENT ON COLUMN accelerators.allreduce_gb_per_s IS 'GB/s, measured bus bandwidth of the all-reduce; empty where nobody measured it';
COMMENT ON COLUMN accelerators.allreduce_latency_us IS 'us, smallest all-reduce over two, where its link is slower than that of its family; else empty';
COMMENT ON COLUMN accelerators.max_tp IS 'accelerators, largest tensor-parallel group that pays';
COMMENT ON COLUMN accelerators.board_area_cm2 IS 'cm2';
COMMENT ON COLUMN accelerators.psu_w IS 'W, suggested supply of the card';
COMMENT ON COLUMN accelerators.capex_usd IS 'USD';

CREATE TABLE cpus (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    vendor VARCHAR NOT NULL CHECK (vendor <> ''),
    launch_year INTEGER NOT NULL CHECK (launch_year BETWEEN 2010 AND 2035),
    family VARCHAR NOT NULL CHECK (family <> ''),
    cores INTEGER NOT NULL CHECK (cores BETWEEN 1 AND 512),
    threads_per_core INTEGER NOT NULL CHECK (threads_per_core IN (1, 2)),
    tdp_w DOUBLE NOT NULL CHECK (tdp_w BETWEEN 20 AND 1000),
    memory_type VARCHAR NOT NULL CHECK (memory_type IN ('ddr4', 'ddr5', 'lpddr5x')),
    memory_channels INTEGER NOT NULL CHECK (memory_channels BETWEEN 1 AND 64),
    memory_gb_per_s DOUBLE NOT NULL CHECK (memory_gb_per_s BETWEEN 10 AND 5000),
    bf16_tflops DOUBLE NOT NULL CHECK (bf16_tflops BETWEEN 0.1 AND 2000),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE cpus IS 'One socket of a host; its silicon is in dies';
COMMENT ON COLUMN cpus.family IS 'key of serving_parameters for work on the host: xeon_amx, xeon_avx512, xeon_avx2, epyc_avx2, epyc_avx512, arm_neoverse';
COMMENT ON COLUMN cpus.cores IS 'cores per socket';
COMMENT ON COLUMN cpus.threads_per_core IS 'threads per core; a vCPU is a thread';
COMMENT ON COLUMN cpus.memory_type IS 'type of the DRAM modules it takes';
COMMENT ON COLUMN cpus.tdp_w IS 'W per socket';
COMMENT ON COLUMN cpus.memory_channels IS 'channels per socket';
COMMENT ON COLUMN cpus.memory_gb_per_s IS 'GB/s per socket, theoretical';
COMMENT ON COLUMN cpus.bf16_tflops IS 'TFLOPS per socket, theoretical peak of the matrix or vector units';

CREATE TABLE dies (
    id VARCHAR PRIMARY KEY,
    product_id VARCHAR NOT NULL,
    die VARCHAR NOT NULL CHECK (regexp_full_match(die, '[a-z0-9_]+')),
    n_dies INTEGER NOT NULL CHECK (n_dies BETWEEN 1 AND 64),
    area_mm2 DOUBLE NOT NULL CHECK (area_mm2 BETWEEN 5 AND 900),
    area_low_mm2 DOUBLE NOT NULL,
    area_high_mm2 DOUBLE NOT NULL CHECK (area_high_mm2 <= 900),
    process VARCHAR NOT NULL CHECK (process <> ''),
    node_nm INTEGER NOT NULL CHECK (node_nm IN (28, 20, 14, 10, 8, 7, 5, 3)),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = product_id || '/' || die),
    CHECK (area_low_mm2 <= area_mm2 AND area_mm2 <= area_high_mm2),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE dies IS 'Silicon of accelerators and cpus, chiplets one by one';
COMMENT ON COLUMN dies.product_id IS 'id of an accelerator or of a cpu';
COMMENT ON COLUMN dies.die IS 'name of the die';
COMMENT ON COLUMN dies.n_dies IS 'dies of this kind in one product';
COMMENT ON COLUMN dies.area_mm2 IS 'mm2, one die';
COMMENT ON COLUMN dies.area_low_mm2 IS 'mm2, smallest credible area';
COMMENT ON COLUMN dies.area_high_mm2 IS 'mm2, largest credible area';
COMMENT ON COLUMN dies.process IS 'name the foundry gives the process';
COMMENT ON COLUMN dies.node_nm IS 'nm, nearest node of the fab tables';

CREATE TABLE hosts (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    cpu_id VARCHAR NOT NULL REFERENCES cpus (id),
    sockets INTEGER NOT NULL CHECK (sockets BETWEEN 1 AND 8),
    max_accelerators INTEGER NOT NULL CHECK (max_accelerators BETWEEN 0 AND 72),
    max_dram_gib DOUBLE NOT NULL CHECK (max_dram_gib BETWEEN 8 AND 65536),
    rack_units DOUBLE NOT NULL CHECK (rack_units BETWEEN 1 AND 48),
    n_psus INTEGER NOT NULL CHECK (n_psus BETWEEN 1 AND 32),
    capex_usd DOUBLE NOT NULL CHECK (capex_usd BETWEEN 500 AND 500000),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE hosts IS 'Physical machines without accelerators, DRAM, SSD and NICs';
COMMENT ON COLUMN hosts.sockets IS 'CPU sockets';
COMMENT ON COLUMN hosts.max_accelerators IS 'accelerators in the full machine; with max_dram_gib and the vCPUs the base of share_of_host';
COMMENT ON COLUMN hosts.max_dram_gib IS 'GiB in the full machine';
COMMENT ON COLUMN hosts.rack_units IS 'U';
COMMENT ON COLUMN hosts.n_psus IS 'power supplies';
COMMENT ON COLUMN hosts.capex_usd IS 'USD, without accelerators, DRAM, SSD and NICs';

CREATE TABLE servers (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    provider_id VARCHAR NOT NULL REFERENCES providers (id),
    offer VARCHAR NOT NULL CHECK (offer IN ('purchase', 'rental')),
    host_id VARCHAR NOT NULL REFERENCES hosts (id),
    accelerator_id VARCHAR NOT NULL REFERENCES accelerators (id),
    n_accelerators INTEGER NOT NULL CHECK (n_accelerators BETWEEN 1 AND 72),
    vcpus INTEGER NOT NULL CHECK (vcpus BETWEEN 1 AND 4096),
    dram_gib DOUBLE NOT NULL CHECK (dram_gib BETWEEN 1 AND 65536),
    ssd_gb DOUBLE NOT NULL CHECK (ssd_gb BETWEEN 0 AND 1000000),
    n_nics INTEGER NOT NULL CHECK (n_nics BETWEEN 0 AND 64),
    nic_gbps DOUBLE NOT NULL CHECK (nic_gbps BETWEEN 0 AND 3200),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE servers IS 'Nodes that can be bought or rented: a host or a share of one, accelerators, DRAM, SSD, NICs';
COMMENT ON COLUMN servers.offer IS 'purchase: a node of one''s own; rental: a cloud instance, priced in rental_prices';
COMMENT ON COLUMN servers.n_accelerators IS 'accelerators';
COMMENT ON COLUMN servers.vcpus IS 'threads of the node';
COMMENT ON COLUMN servers.dram_gib IS 'GiB';
COMMENT ON COLUMN servers.ssd_gb IS 'GB';
COMMENT ON COLUMN servers.n_nics IS 'NICs of the whole machine where the server is a share of one';
COMMENT ON COLUMN servers.nic_gbps IS 'Gbit/s per NIC; for a share of a machine, the bandwidth of the share';

CREATE TABLE rental_prices (
    id VARCHAR PRIMARY KEY,
    server_id VARCHAR NOT NULL REFERENCES servers (id),
    price_date VARCHAR NOT NULL CHECK (regexp_full_match(price_date, '20[0-9]{2}')),
    place VARCHAR NOT NULL CHECK (place <> ''),
    usd_per_h DOUBLE NOT NULL CHECK (usd_per_h BETWEEN 0.01 AND 5000),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = server_id || '/' || price_date),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE rental_prices IS 'On-demand prices of rented servers, electricity included';
COMMENT ON COLUMN rental_prices.price_date IS 'year of the price list; one provider and year per comparison';
COMMENT ON COLUMN rental_prices.place IS 'cloud region of the price list';
COMMENT ON COLUMN rental_prices.usd_per_h IS 'USD/h, on demand, electricity included';

CREATE TABLE host_variants (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    dram_base_gib DOUBLE NOT NULL CHECK (dram_base_gib BETWEEN 0 AND 4096),
    dram_gib_per_accelerator_gb DOUBLE NOT NULL CHECK (dram_gib_per_accelerator_gb BETWEEN 0 AND 10),
    dram_module_gib DOUBLE NOT NULL CHECK (dram_module_gib IN (8, 16, 32, 64, 96, 128)),
    ssd_base_gb DOUBLE NOT NULL CHECK (ssd_base_gb BETWEEN 0 AND 100000),
    ssd_gb_per_accelerator_gb DOUBLE NOT NULL CHECK (ssd_gb_per_accelerator_gb BETWEEN 0 AND 100),
    ssd_drive_gb DOUBLE NOT NULL CHECK (ssd_drive_gb BETWEEN 100 AND 100000),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE host_variants IS 'Rules by which the host of a bought server is trimmed to the DRAM and SSD that serving needs';
COMMENT ON COLUMN host_variants.dram_base_gib IS 'GiB for the operating system, page cache and the serving processes';
COMMENT ON COLUMN host_variants.dram_gib_per_accelerator_gb IS 'GiB of DRAM per GB of accelerator memory: staging of weights, pinned KV';
COMMENT ON COLUMN host_variants.dram_module_gib IS 'GiB, smallest module; every memory channel gets at least one, all the same';
COMMENT ON COLUMN host_variants.ssd_base_gb IS 'GB for the operating system, containers and logs';
COMMENT ON COLUMN host_variants.ssd_gb_per_accelerator_gb IS 'GB of SSD per GB of accelerator memory: model images';
COMMENT ON COLUMN host_variants.ssd_drive_gb IS 'GB, smallest drive; whole drives are bought';

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
    mla BOOLEAN NOT NULL,
    prefill_head_dim DOUBLE CHECK (prefill_head_dim BETWEEN 16 AND 1024),
    attention_layers INTEGER CHECK (attention_layers >= 1),
    native_dtype VARCHAR NOT NULL CHECK (native_dtype IN ('bf16', 'fp16', 'fp8', 'mxfp4')),
    hub_id VARCHAR CHECK (regexp_full_match(hub_id, '[A-Za-z0-9._-]+/[A-Za-z0-9._-]+')),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (active_b <= params_b),
    CHECK (n_kv_heads <= n_heads),
    CHECK (experts_per_token <= n_experts),
    CHECK (attention_layers <= layers),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE llms IS 'Shapes of models, which is all that speed and memory need';
COMMENT ON COLUMN llms.aliases IS 'other names the model goes by';
COMMENT ON COLUMN llms.layers IS 'layers';
COMMENT ON COLUMN llms.d_model IS 'hidden size';
COMMENT ON COLUMN llms.n_heads IS 'query heads';
COMMENT ON COLUMN llms.n_kv_heads IS 'key-value heads; 1 with latent attention';
COMMENT ON COLUMN llms.head_dim IS 'values per head; with latent attention, of the compressed cache';
COMMENT ON COLUMN llms.vocab IS 'tokens of the vocabulary';
COMMENT ON COLUMN llms.n_experts IS 'routed experts; 0 for dense models';
COMMENT ON COLUMN llms.experts_per_token IS 'routed experts a token visits';
COMMENT ON COLUMN llms.tied_embeddings IS 'whether input and output embeddings are one matrix';
COMMENT ON COLUMN llms.mla IS 'multi-head latent attention: one compressed vector per token instead of keys and values';
COMMENT ON COLUMN llms.prefill_head_dim IS 'values per head that attention of a prompt multiplies, mean of keys and values; empty: head_dim';
COMMENT ON COLUMN llms.attention_layers IS 'layers that attend to the whole context; empty: all';
COMMENT ON COLUMN llms.native_dtype IS 'format the weights are published in';
COMMENT ON COLUMN llms.hub_id IS 'its publisher''s checkpoint on Hugging Face, tuned to chat where there is one; empty: none is named';
COMMENT ON COLUMN llms.params_b IS '1e9 parameters, every expert and the embeddings';
COMMENT ON COLUMN llms.active_b IS '1e9 parameters active per token, the input embedding included';

-- Host power inside the box unless the row says otherwise; power supplies lose on top (wall = inside / psu_efficiency).
CREATE TABLE host_power (
    id VARCHAR PRIMARY KEY CHECK (id IN (
        'cpu_idle_ratio', 'cpu_busy_ratio', 'cpu_serving_utilisation', 'cpu_spare_ratio',
        'dram_w_per_gb', 'ssd_w_per_tb', 'nic_w', 'fans_w_per_2u', 'psu_efficiency',
        'regulator_ratio', 'parked_w', 'wake_s')),
    value DOUBLE NOT NULL CHECK (value >= 0),
    low DOUBLE NOT NULL CHECK (low >= 0),
    high DOUBLE NOT NULL,
    unit VARCHAR NOT NULL CHECK (unit <> ''),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (low <= value AND value <= high),
    CHECK (unit NOT LIKE 'ratio%' OR high <= 1 OR id = 'regulator_ratio'),
    CHECK (id <> 'psu_efficiency' OR low >= 0.5),
    CHECK (id <> 'regulator_ratio' OR (low >= 1 AND high <= 2)),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE host_power IS 'What the host draws: inside the box, before the power supplies whose losses come on top';
COMMENT ON COLUMN host_power.value IS 'central value, in the row''s unit';
COMMENT ON COLUMN host_power.low IS 'low end, in the row''s unit';
COMMENT ON COLUMN host_power.high IS 'high end, in the row''s unit';
COMMENT ON COLUMN host_power.unit IS 'unit of value, low and high';

CREATE TABLE prices (
    id VARCHAR PRIMARY KEY CHECK (id IN (
        'dram_usd_per_gb', 'ssd_usd_per_tb', 'nic_usd', 'colocation_usd_per_kw_month',
        'electricity_usd_per_kwh')),
    convention VARCHAR NOT NULL CHECK (convention IN ('purchase', 'colocation', 'electricity')),
    price_date VARCHAR NOT NULL CHECK (regexp_full_match(price_date, '20[0-9]{2}')),
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
COMMENT ON TABLE prices IS 'Prices that no product row carries';
COMMENT ON COLUMN prices.value IS 'central value, in the row''s unit';
COMMENT ON COLUMN prices.low IS 'low end, in the row''s unit';
COMMENT ON COLUMN prices.high IS 'high end, in the row''s unit';
COMMENT ON COLUMN prices.unit IS 'unit of value, low and high';
COMMENT ON COLUMN prices.convention IS 'price convention the row belongs to';
COMMENT ON COLUMN prices.price_date IS 'year of the price';

CREATE TABLE trends (
    id VARCHAR PRIMARY KEY CHECK (id IN (
        'accelerator_efficiency_gain', 'accelerator_throughput_gain',
        'accelerator_embodied_decline', 'generation_years', 'host_efficiency_gain',
        'host_embodied_decline', 'grid_decline', 'demand_growth')),
    value DOUBLE NOT NULL CHECK (value >= 0),
    low DOUBLE NOT NULL CHECK (low >= 0),
    high DOUBLE NOT NULL,
    unit VARCHAR NOT NULL CHECK (unit <> ''),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (low <= value AND value <= high),
    CHECK (id NOT LIKE '%_decline' OR high < 1),
    CHECK (id <> 'generation_years' OR low >= 1),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE trends IS 'How hardware, grids and demand change from year to year, for plans over a horizon';
COMMENT ON COLUMN trends.value IS 'central value, in the row''s unit';
COMMENT ON COLUMN trends.low IS 'low end, in the row''s unit';
COMMENT ON COLUMN trends.high IS 'high end, in the row''s unit';
COMMENT ON COLUMN trends.unit IS 'unit of value, low and high';

CREATE TABLE embodied_coefficients (
    id VARCHAR PRIMARY KEY,
    "set" VARCHAR NOT NULL CHECK ("set" IN ('paper', 'pcf', 'lca_high')),
    item VARCHAR NOT NULL,
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
    CHECK (item || ': ' || unit IN (
        'assembly_ratio: ratio of the parts',
        'base_kg: kgCO2e per server',
        'board_kg: kgCO2e per accelerator',
        'board_kg_per_cm2: kgCO2e/cm2',
        'chassis_kg: kgCO2e per 2U',
        'chassis_kg: kgCO2e per server',
        'connection_kg: kgCO2e per accelerator',
        'cpu_kg: kgCO2e per server',
        'cpu_package_kg: kgCO2e per socket',
        'defects_per_cm2: 1/cm2',
        'die_kg: kgCO2e per accelerator',
        'die_kg_per_cm2: kgCO2e per cm2 of die',
        'dram_kg_per_gb: kgCO2e/GB',
        'fab_ci_gco2e_per_kwh: gCO2e/kWh',
        'fab_epa_kwh_per_cm2: kWh/cm2',
        'fab_gpa_g_per_cm2: gCO2e/cm2',
        'fab_kg_per_cm2: kgCO2e per cm2 of die before yield',
        'fab_mpa_g_per_cm2: gCO2e/cm2',
        'fans_kg: kgCO2e per 2U',
        'fans_kg: kgCO2e per server',
        'host_assembly_kg: kgCO2e per server',
        'host_scales_with_size: 0 or 1',
        'mainboard_kg: kgCO2e per server',
        'memory_kg_per_gb: kgCO2e/GB',
        'nic_kg: kgCO2e per NIC',
        'package_kg: kgCO2e per die',
        'peripherals_kg: kgCO2e per server',
        'power_delivery_kg_per_w: kgCO2e per W of suggested supply',
        'psu_kg: kgCO2e per PSU',
        'psu_kg: kgCO2e per server',
        'riser_kg: kgCO2e per accelerator',
        'ssd_kg_per_gb: kgCO2e/GB',
        'thermal_kg_per_w: kgCO2e per W of TDP')),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE embodied_coefficients IS 'Carbon of making, per unit of part, in three sets that each cover accelerators and hosts';
COMMENT ON COLUMN embodied_coefficients."set" IS 'paper: the authors'' calculator; pcf: product footprints and teardowns; lca_high: upper life-cycle values';
COMMENT ON COLUMN embodied_coefficients.item IS 'what is multiplied; see assets/methodology.md';
COMMENT ON COLUMN embodied_coefficients.value IS 'central value, in the row''s unit';
COMMENT ON COLUMN embodied_coefficients.low IS 'low end, in the row''s unit';
COMMENT ON COLUMN embodied_coefficients.high IS 'high end, in the row''s unit';
COMMENT ON COLUMN embodied_coefficients.unit IS 'unit of value, low and high';
COMMENT ON COLUMN embodied_coefficients."key" IS 'node in nm, memory type, form factor or accelerator id; empty = all';

CREATE TABLE product_footprints (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    kind VARCHAR NOT NULL CHECK (kind IN ('manufacturer', 'teardown', 'estimate', 'calculator')),
    boundary VARCHAR NOT NULL CHECK (boundary <> ''),
    trust VARCHAR NOT NULL CHECK (trust IN ('A', 'B', 'C')),
    kgco2e DOUBLE NOT NULL CHECK (kgco2e > 0),
    low DOUBLE NOT NULL CHECK (low >= 0),
    high DOUBLE NOT NULL,
    accelerator_id VARCHAR REFERENCES accelerators (id),
    n_accelerators INTEGER NOT NULL CHECK (n_accelerators BETWEEN 0 AND 72),
    host_id VARCHAR REFERENCES hosts (id),
    dram_gib DOUBLE NOT NULL CHECK (dram_gib >= 0),
    ssd_gb DOUBLE NOT NULL CHECK (ssd_gb >= 0),
    n_nics INTEGER NOT NULL CHECK (n_nics >= 0),
    fitted_sets VARCHAR[] NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (low <= kgco2e AND kgco2e <= high),
    CHECK ((accelerator_id IS NULL) = (n_accelerators = 0)),
    CHECK (accelerator_id IS NOT NULL OR host_id IS NOT NULL),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE product_footprints IS 'Published footprints, each with the configuration that our model is asked about';
COMMENT ON COLUMN product_footprints.kind IS 'who computed it; calculator: output of the authors'' calculator, which set paper must reproduce';
COMMENT ON COLUMN product_footprints.boundary IS 'what the figure covers';
COMMENT ON COLUMN product_footprints.trust IS 'A reviewed primary data or teardown, B vendor tool or quoted by others, C indirect';
COMMENT ON COLUMN product_footprints.kgco2e IS 'kgCO2e of manufacturing, the whole product';
COMMENT ON COLUMN product_footprints.low IS 'kgCO2e, low end as published';
COMMENT ON COLUMN product_footprints.high IS 'kgCO2e, high end as published';
COMMENT ON COLUMN product_footprints.n_accelerators IS 'accelerators in the product';
COMMENT ON COLUMN product_footprints.host_id IS 'host in the product; empty: accelerators only';
COMMENT ON COLUMN product_footprints.dram_gib IS 'GiB in the product';
COMMENT ON COLUMN product_footprints.ssd_gb IS 'GB in the product';
COMMENT ON COLUMN product_footprints.n_nics IS 'NICs in the product';
COMMENT ON COLUMN product_footprints.fitted_sets IS 'coefficient sets with a value, low or high from this footprint (in sample); means over many products do not count';

CREATE TABLE product_footprint_parts (
    id VARCHAR PRIMARY KEY,
    footprint_id VARCHAR NOT NULL REFERENCES product_footprints (id),
    label VARCHAR NOT NULL CHECK (label <> ''),
    part VARCHAR NOT NULL CHECK (part <> ''),
    kgco2e DOUBLE NOT NULL CHECK (kgco2e >= 0),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = footprint_id || '/' || label),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE product_footprint_parts IS 'Lines of published footprints beside the part of our model that covers them';
COMMENT ON COLUMN product_footprint_parts.label IS 'line as published';
COMMENT ON COLUMN product_footprint_parts.part IS 'part of our model that covers the line';
COMMENT ON COLUMN product_footprint_parts.kgco2e IS 'kgCO2e, the whole product';

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
    measured_on VARCHAR[],
    sibling_error_band DOUBLE CHECK (sibling_error_band > 0 AND sibling_error_band <= 1),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = family || '/' || stack || '/' || "precision"),
    CHECK (provenance = 'calibrated' OR note <> ''),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE serving_parameters IS 'Efficiencies and overheads per hardware family, software stack and precision';
COMMENT ON COLUMN serving_parameters.family IS 'hardware family of accelerators or cpus';
COMMENT ON COLUMN serving_parameters.stack IS 'serving software';
COMMENT ON COLUMN serving_parameters."precision" IS 'format of the weights and of the arithmetic';
COMMENT ON COLUMN serving_parameters.provenance IS 'calibrated on points of this key, inherited from a neighbour, or assumed';
COMMENT ON COLUMN serving_parameters.mbu IS 'share of the memory bandwidth reached on weights';
COMMENT ON COLUMN serving_parameters.mbu_kv IS 'share of the memory bandwidth reached on the KV cache';
COMMENT ON COLUMN serving_parameters.mfu_decode IS 'share of the dense peak at this precision';
COMMENT ON COLUMN serving_parameters.mfu_prefill IS 'share of the dense peak at this precision';
COMMENT ON COLUMN serving_parameters.allreduce_latency_us IS 'us per all-reduce';
COMMENT ON COLUMN serving_parameters.t0_ms IS 'ms per step';
COMMENT ON COLUMN serving_parameters.t_layer_us IS 'us per layer';
COMMENT ON COLUMN serving_parameters.t_seq_us IS 'us per sequence';
COMMENT ON COLUMN serving_parameters.t_request_ms IS 'ms per request before its prefill starts, part of TTFT only';
COMMENT ON COLUMN serving_parameters.bus_ratio IS 'share of the all-reduce bandwidth that the stack reaches';
COMMENT ON COLUMN serving_parameters.overlap_norm IS '1: launch overheads add to the time of the device; more: they overlap with it';
COMMENT ON COLUMN serving_parameters.error_band IS 'relative error of TPOT to plan against';
COMMENT ON COLUMN serving_parameters.measured_on IS 'accelerators whose points the fit rests on; empty: not stated, holds for the whole family';
COMMENT ON COLUMN serving_parameters.sibling_error_band IS 'relative error on an accelerator of the family that was not measured; empty: error_band';

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
    u_mem_min DOUBLE CHECK (u_mem_min BETWEEN 0 AND 1),
    u_mem_max DOUBLE NOT NULL CHECK (u_mem_max > 0 AND u_mem_max <= 1),
    u_cmp_min DOUBLE CHECK (u_cmp_min BETWEEN 0 AND 1),
    u_cmp_max DOUBLE NOT NULL CHECK (u_cmp_max > 0 AND u_cmp_max <= 1),
    error_band DOUBLE NOT NULL CHECK (error_band > 0 AND error_band <= 1),
    provenance VARCHAR NOT NULL CHECK (provenance IN ('calibrated', 'inherited', 'assumed')),
    measured_on VARCHAR[],
    sibling_error_band DOUBLE CHECK (sibling_error_band > 0 AND sibling_error_band <= 1),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = family),
    CHECK (provenance = 'calibrated' OR note <> ''),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE power_parameters IS 'P = min(cap, p0 + a u_mem + b u_cmp + s q) per hardware family, q = batch x layers / (tp x step)';
COMMENT ON COLUMN power_parameters.family IS 'hardware family of accelerators';
COMMENT ON COLUMN power_parameters.p0_ratio IS 'ratio of TDP, floor';
COMMENT ON COLUMN power_parameters.a_ratio IS 'ratio of TDP, at full memory bandwidth';
COMMENT ON COLUMN power_parameters.b_ratio IS 'ratio of TDP, at full compute';
COMMENT ON COLUMN power_parameters.sequence_layer_us IS 'us of TDP per sequence, layer and step on one accelerator';
COMMENT ON COLUMN power_parameters.cap_ratio IS 'ratio of TDP, ceiling';
COMMENT ON COLUMN power_parameters.phases IS 'phases among the points of the fit: prefill, decode, mixed';
COMMENT ON COLUMN power_parameters.precisions IS 'precisions among the points of the fit';
COMMENT ON COLUMN power_parameters.u_mem_min IS 'ratio, smallest memory utilisation among the points of the fit; empty: 0';
COMMENT ON COLUMN power_parameters.u_cmp_min IS 'ratio, smallest compute utilisation among the points of the fit; empty: 0';
COMMENT ON COLUMN power_parameters.u_mem_max IS 'ratio, largest memory utilisation among the points of the fit';
COMMENT ON COLUMN power_parameters.error_band IS 'relative error';
COMMENT ON COLUMN power_parameters.measured_on IS 'accelerators whose points the fit rests on; empty: not stated, holds for the whole family';
COMMENT ON COLUMN power_parameters.sibling_error_band IS 'relative error on an accelerator of the family that was not measured; empty: error_band';
COMMENT ON COLUMN power_parameters.provenance IS 'calibrated on points of this key, inherited from a neighbour, or assumed';
COMMENT ON COLUMN power_parameters.u_cmp_max IS 'largest compute utilisation among the points of the fit';

CREATE TABLE length_mixes (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    kind VARCHAR NOT NULL CHECK (kind IN ('histogram', 'percentiles')),
    isl_mean_tokens DOUBLE CHECK (isl_mean_tokens >= 1),
    osl_mean_tokens DOUBLE CHECK (osl_mean_tokens >= 1),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE length_mixes IS 'How long requests and answers are: a joint histogram (length_buckets) or marginal percentiles (length_percentiles), then taken as independent';
COMMENT ON COLUMN length_mixes.kind IS 'histogram: rows in length_buckets; percentiles: rows in length_percentiles';
COMMENT ON COLUMN length_mixes.isl_mean_tokens IS 'tokens, published mean input length; empty where the buckets give it or nobody does';
COMMENT ON COLUMN length_mixes.osl_mean_tokens IS 'tokens, published mean output length; empty where the buckets give it or nobody does';

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
COMMENT ON TABLE length_buckets IS 'Cells of joint histograms; source and quality are those of the mix';
COMMENT ON COLUMN length_buckets.isl_lo_tokens IS 'tokens; bins are lo < x <= hi';
COMMENT ON COLUMN length_buckets.isl_hi_tokens IS 'tokens';
COMMENT ON COLUMN length_buckets.osl_lo_tokens IS 'tokens; bins are lo < x <= hi';
COMMENT ON COLUMN length_buckets.osl_hi_tokens IS 'tokens';
COMMENT ON COLUMN length_buckets.requests IS 'requests in the cell';
COMMENT ON COLUMN length_buckets.mean_isl_tokens IS 'tokens, mean of the requests in the cell';
COMMENT ON COLUMN length_buckets.mean_osl_tokens IS 'tokens, mean of the requests in the cell';

-- A percentile's source and quality are those of its mix.
CREATE TABLE length_percentiles (
    mix_id VARCHAR NOT NULL REFERENCES length_mixes (id),
    field VARCHAR NOT NULL CHECK (field IN ('isl', 'osl')),
    percentile DOUBLE NOT NULL CHECK (percentile BETWEEN 0 AND 100),
    tokens DOUBLE NOT NULL CHECK (tokens BETWEEN 1 AND 10000000),
    PRIMARY KEY (mix_id, field, percentile)
);
COMMENT ON TABLE length_percentiles IS 'Marginal percentiles of mixes without a joint histogram; source and quality are those of the mix';
COMMENT ON COLUMN length_percentiles.field IS 'isl: input, osl: output';
COMMENT ON COLUMN length_percentiles.percentile IS 'percent of the requests that are at most this long';
COMMENT ON COLUMN length_percentiles.tokens IS 'tokens';

CREATE TABLE rate_profiles (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    utc_offset_h INTEGER NOT NULL CHECK (utc_offset_h BETWEEN -12 AND 14),
    hourly_ratio DOUBLE[] NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (len(hourly_ratio) IN (24, 168)),
    CHECK (list_min(hourly_ratio) >= 0),
    CHECK (list_max(hourly_ratio) BETWEEN 0.01 AND 100),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE rate_profiles IS 'How the rate of requests moves over a day or a week';
COMMENT ON COLUMN rate_profiles.utc_offset_h IS 'h, clock of the profile';
COMMENT ON COLUMN rate_profiles.hourly_ratio IS 'relative rate: 24 hours of a day from midnight, or 168 hours of a week from Monday midnight';

CREATE TABLE grid_zones (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    year INTEGER NOT NULL CHECK (year BETWEEN 2010 AND 2050),
    utc_offset_h INTEGER NOT NULL CHECK (utc_offset_h BETWEEN -12 AND 14),
    basis VARCHAR NOT NULL CHECK (basis IN ('production', 'consumption')),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE grid_zones IS 'Grids whose carbon intensity is known by the hour';
COMMENT ON COLUMN grid_zones.year IS 'year of the data';
COMMENT ON COLUMN grid_zones.utc_offset_h IS 'h, standard time of the zone';
COMMENT ON COLUMN grid_zones.basis IS 'production: what the zone generates; consumption: imports included';

CREATE TABLE grid_profiles (
    id VARCHAR PRIMARY KEY,
    zone_id VARCHAR NOT NULL REFERENCES grid_zones (id),
    season VARCHAR NOT NULL CHECK (season IN ('year', 'djf', 'mam', 'jja', 'son')),
    kind VARCHAR NOT NULL CHECK (kind IN ('lifecycle', 'direct')),
    hourly_gco2e_per_kwh DOUBLE[24] NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (id = zone_id || '/' || season || '/' || kind),
    CHECK (list_min(CAST(hourly_gco2e_per_kwh AS DOUBLE[])) >= 0),
    CHECK (list_max(CAST(hourly_gco2e_per_kwh AS DOUBLE[])) <= 2000),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE grid_profiles IS 'Mean carbon intensity by hour of day, season and kind; location-based averages, never marginal';
COMMENT ON COLUMN grid_profiles.season IS 'year, or three months: djf is December to February';
COMMENT ON COLUMN grid_profiles.kind IS 'lifecycle: plants and fuel supply included; direct: combustion only';
COMMENT ON COLUMN grid_profiles.hourly_gco2e_per_kwh IS 'gCO2e/kWh by local hour of day, hour 0 first';

-- Full years are the user's own; a zone with a series and no profiles gets its profiles from the series.
CREATE TABLE grid_series (
    zone_id VARCHAR NOT NULL REFERENCES grid_zones (id),
    kind VARCHAR NOT NULL CHECK (kind IN ('lifecycle', 'direct')),
    hour INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 8783),
    gco2e_per_kwh DOUBLE NOT NULL CHECK (gco2e_per_kwh BETWEEN 0 AND 3000),
    PRIMARY KEY (zone_id, kind, hour)
);
COMMENT ON TABLE grid_series IS 'Full years, the user''s own (overlay); empty as shipped; source and quality are those of the zone';
COMMENT ON COLUMN grid_series.kind IS 'lifecycle: plants and fuel supply included; direct: combustion only';
COMMENT ON COLUMN grid_series.hour IS 'h since 1 January 00:00, standard time of the zone';
COMMENT ON COLUMN grid_series.gco2e_per_kwh IS 'gCO2e/kWh';

CREATE TABLE regions (
    id VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[a-z0-9_]+')),
    name VARCHAR NOT NULL CHECK (name <> ''),
    provider_id VARCHAR NOT NULL REFERENCES providers (id),
    gco2e_per_kwh DOUBLE NOT NULL CHECK (gco2e_per_kwh BETWEEN 0 AND 2000),
    year INTEGER NOT NULL CHECK (year BETWEEN 2010 AND 2050),
    pue DOUBLE CHECK (pue BETWEEN 1 AND 3),
    electricity_usd_per_kwh DOUBLE CHECK (electricity_usd_per_kwh BETWEEN 0 AND 1),
    cfe_share DOUBLE CHECK (cfe_share BETWEEN 0 AND 1),
    utc_offset_h INTEGER NOT NULL CHECK (utc_offset_h BETWEEN -12 AND 14),
    grid_zone_id VARCHAR REFERENCES grid_zones (id),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE regions IS 'Places to run, with what their grid and building do to a kWh';
COMMENT ON COLUMN regions.gco2e_per_kwh IS 'gCO2e/kWh, annual, location-based life-cycle average where the note says no other';
COMMENT ON COLUMN regions.year IS 'year of gco2e_per_kwh';
COMMENT ON COLUMN regions.pue IS 'ratio, published for the region; empty: that of the provider';
COMMENT ON COLUMN regions.electricity_usd_per_kwh IS 'USD/kWh, wholesale; empty: the row electricity_usd_per_kwh of prices';
COMMENT ON COLUMN regions.cfe_share IS 'ratio, carbon-free energy the provider states for the region by the hour; informative, market-based';
COMMENT ON COLUMN regions.utc_offset_h IS 'h, standard time, whole hours';
COMMENT ON COLUMN regions.grid_zone_id IS 'zone with hourly data; empty: annual only';

-- A row's source and quality hold for its cells but those listed here.
CREATE TABLE cell_sources (
    table_name VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL,
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    PRIMARY KEY (table_name, row_id, column_name),
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE cell_sources IS 'Source and quality of single figures that differ from their row''s';
COMMENT ON COLUMN cell_sources.table_name IS 'table of the figure';
COMMENT ON COLUMN cell_sources.row_id IS 'id of the figure''s row';
COMMENT ON COLUMN cell_sources.column_name IS 'column of the figure';

CREATE TABLE overlay_rows (
    table_name VARCHAR NOT NULL,
    row_id VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL,
    PRIMARY KEY (table_name, row_id, column_name)
);
COMMENT ON TABLE overlay_rows IS 'Rows that are not ours but the user''s own; written by the build';
COMMENT ON COLUMN overlay_rows.table_name IS 'table of the row';
COMMENT ON COLUMN overlay_rows.row_id IS 'id of the row, or the first column of its key';
COMMENT ON COLUMN overlay_rows.column_name IS 'column that was corrected; empty: the whole row was added';

CREATE TABLE catalog_meta (version VARCHAR NOT NULL);

-- What was measured, and how the serving parameters come from it.

CREATE TABLE point_conventions (
    id VARCHAR PRIMARY KEY,
    source VARCHAR NOT NULL CHECK (source <> ''),
    phase VARCHAR NOT NULL CHECK (phase IN ('prefill', 'decode', 'e2e', 'linear_layer', 'allreduce')),
    power_scope VARCHAR NOT NULL CHECK (power_scope IN ('per_gpu', 'replica')),
    load VARCHAR NOT NULL CHECK (load IN ('isolated', 'closed_loop')),
    batch_means VARCHAR NOT NULL CHECK (batch_means IN ('sequences', 'tokens', 'elements', 'bytes', 'concurrency')),
    kv_precision VARCHAR NOT NULL CHECK (kv_precision IN ('bf16', 'fp8', 'int8')),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE point_conventions IS 'What the columns of one source mean in one phase';
COMMENT ON COLUMN point_conventions.source IS 'name of the source in the column source of measured points';
COMMENT ON COLUMN point_conventions.phase IS 'phase of the rows that this is about';
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
COMMENT ON COLUMN measured_points.source IS 'name that point_conventions knows the source by';
COMMENT ON COLUMN measured_points.model IS 'id or alias of the LLM';
COMMENT ON COLUMN measured_points.hardware IS 'id or alias of the accelerator, or a measured CPU';
COMMENT ON COLUMN measured_points.tp IS 'accelerators of one replica';
COMMENT ON COLUMN measured_points."precision" IS 'format of the weights as the source names it';
COMMENT ON COLUMN measured_points.stack IS 'serving software as the source names it';
COMMENT ON COLUMN measured_points.phase IS 'what was measured: a prefill, a decode step, whole requests, one layer, one all-reduce';
COMMENT ON COLUMN measured_points.batch IS 'sequences, tokens, elements or users: see point_conventions';
COMMENT ON COLUMN measured_points.output_len IS 'tokens';
COMMENT ON COLUMN measured_points.context_len IS 'tokens held per sequence, mean while it decodes';
COMMENT ON COLUMN measured_points.latency_ms IS 'ms: step, time to first token, whole run, layer or all-reduce';
COMMENT ON COLUMN measured_points.power_w IS 'W, of one accelerator or of the replica: see point_conventions';
COMMENT ON COLUMN measured_points.energy_j_per_token IS 'J per output token, all accelerators of the replica';
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
COMMENT ON COLUMN measured_cpus.family IS 'hardware family of the parameters';
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
COMMENT ON COLUMN calibration_plans.family IS 'hardware family of accelerators or cpus';
COMMENT ON COLUMN calibration_plans.stack IS 'serving software';
COMMENT ON COLUMN calibration_plans."precision" IS 'format of the weights and of the arithmetic';
COMMENT ON COLUMN calibration_plans.overlap_norm IS '1: launch overheads add to the time of the device; more: they overlap with it';
COMMENT ON COLUMN calibration_plans.error_factor IS 'how much wider than that of from_id the error band of an inherited row is';
COMMENT ON COLUMN calibration_plans.from_id IS 'key of the prior, taken over where there are too few points';
COMMENT ON COLUMN calibration_plans.allreduce_latency_us IS 'us, from micro-benchmarks';
COMMENT ON COLUMN calibration_plans.t0_ms IS 'ms per step, fixed: points do not tell it from t_layer_us';

CREATE TABLE power_plans (
    id VARCHAR PRIMARY KEY CHECK (id <> ''),
    families VARCHAR[] NOT NULL,
    p0_ratio DOUBLE NOT NULL CHECK (p0_ratio > 0 AND p0_ratio < 1),
    unseen_error_band DOUBLE NOT NULL CHECK (unseen_error_band > 0 AND unseen_error_band <= 1),
    source_id VARCHAR NOT NULL REFERENCES sources (id),
    quality VARCHAR NOT NULL CHECK (quality IN ('measured', 'manufacturer', 'modelled', 'assumed')),
    note VARCHAR NOT NULL,
    CHECK (quality <> 'assumed' OR note <> '')
);
COMMENT ON TABLE power_plans IS 'How the power parameters of each hardware family are found; id is the family';
COMMENT ON COLUMN power_plans.id IS 'hardware family of accelerators';
COMMENT ON COLUMN power_plans.families IS 'families whose points are fitted together';
COMMENT ON COLUMN power_plans.p0_ratio IS 'ratio of TDP, floor, fixed: points do not tell it from the rest';
COMMENT ON COLUMN power_plans.unseen_error_band IS 'relative error where no point of the family itself was measured';

COMMENT ON TABLE catalog_meta IS 'Version of the catalog; written by the build';
COMMENT ON COLUMN catalog_meta.version IS 'digest of the schema and of every row';
