-- The warehouse of schema version 1 as `run hourly` of that program left it: meta and raw,
-- written out of its file. Keys: tests/orchestration/upgrade/test_upgrade.py.
create schema meta;
create schema raw;
CREATE TABLE meta.warehouse(key_id VARCHAR, schema_version INTEGER, semantics_version INTEGER);
insert into meta."warehouse" values ('51501a11dd6c27ba', 1, 1);
CREATE TABLE raw._dlt_loads(load_id VARCHAR NOT NULL, schema_name VARCHAR, status BIGINT NOT NULL, inserted_at TIMESTAMP WITH TIME ZONE NOT NULL, schema_version_hash VARCHAR);
insert into raw."_dlt_loads" values ('1795380758.24626', 'throughline', 0, '2026-11-22 20:52:38.907679+00:00', 'OVBGF9nK04thbqpWEd0cQq5z2HQU5majiqqLK2F//Gg=');
CREATE TABLE raw._dlt_pipeline_state(
  "version" BIGINT NOT NULL,
  engine_version BIGINT NOT NULL,
  pipeline_name VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version_hash VARCHAR,
  _dlt_load_id VARCHAR NOT NULL,
  _dlt_id VARCHAR NOT NULL);
insert into raw."_dlt_pipeline_state" values (1, 4, 'throughline', 'eNplj19rwjAUxb9LXlfchD0VfJgKYofo5stARrhLrk01piX3Zp2Ufvclc0LdXn/nD+d0QhIDo/xET1XtRD7OrghdWbmB8piJpmrQJujghCIXbHwdSpOQyIQGBkK+ih7aCEkZPMEPI5HvbiLvMYN7CJblwPa/F4krBxxXSD43yaAtjwaYRjqoo/74Y760uWBtPPX7QxogExuOL+3ybqufzpu9xuW9OnhXFOs5PixWMwqvz+W2mc42b+1XoSbpRh28Sg+6m3F51/f9Nzladag=', '2026-11-22 20:52:38.622177+00:00', 'kQwI+SdAyPfdeI/cjrnJJODe0GMCsuRKgSpBCPXwxJc=', '1795380758.24626', 'EEWBvkpG9/6uRw');
CREATE TABLE raw._dlt_version(
  "version" BIGINT NOT NULL,
  engine_version BIGINT NOT NULL,
  inserted_at TIMESTAMP WITH TIME ZONE NOT NULL,
  schema_name VARCHAR NOT NULL,
  version_hash VARCHAR NOT NULL,
  "schema" VARCHAR NOT NULL);
insert into raw."_dlt_version" values (2, 11, '2026-11-22 20:52:38.843903+00:00', 'throughline', 'OVBGF9nK04thbqpWEd0cQq5z2HQU5majiqqLK2F//Gg=', '{"version":2,"version_hash":"OVBGF9nK04thbqpWEd0cQq5z2HQU5majiqqLK2F//Gg=","engine_version":11,"name":"throughline","tables":{"_dlt_version":{"name":"_dlt_version","columns":{"version":{"name":"version","data_type":"bigint","nullable":false,"description":"Numeric version of the schema, incremented on each schema change"},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false,"description":"Version of the dlt schema engine that created this schema"},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false,"description":"Timestamp when this schema version was stored"},"schema_name":{"name":"schema_name","data_type":"text","nullable":false,"description":"Name of the schema"},"version_hash":{"name":"version_hash","data_type":"text","nullable":false,"description":"Unique hash of the schema content, used to detect changes"},"schema":{"name":"schema","data_type":"text","nullable":false,"description":"JSON representation of the complete schema definition"}},"write_disposition":"skip","resource":"_dlt_version","description":"Created by DLT. Tracks schema updates"},"_dlt_loads":{"name":"_dlt_loads","columns":{"load_id":{"name":"load_id","data_type":"text","nullable":false,"precision":64,"description":"Unique identifier of the load operation"},"schema_name":{"name":"schema_name","data_type":"text","nullable":true,"description":"Name of the schema associated with this load"},"status":{"name":"status","data_type":"bigint","nullable":false,"description":"Status of the load operation (0 = success)"},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false,"description":"Timestamp when the load was completed"},"schema_version_hash":{"name":"schema_version_hash","data_type":"text","nullable":true,"description":"Hash of the schema version used during this load"}},"write_disposition":"skip","resource":"_dlt_loads","description":"Created by DLT. Tracks completed loads"},"receipts":{"columns":{"source":{"name":"source","nullable":false,"data_type":"text"},"segment":{"name":"segment","nullable":false,"data_type":"text"},"generation":{"name":"generation","nullable":false,"data_type":"bigint","precision":32},"from_offset":{"name":"from_offset","nullable":false,"data_type":"bigint"},"to_offset":{"name":"to_offset","nullable":false,"data_type":"bigint"},"receipt_hour":{"name":"receipt_hour","nullable":true,"data_type":"timestamp","timezone":false,"precision":6},"records":{"name":"records","nullable":false,"data_type":"bigint"},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false,"precision":64,"description":"Load identifier linking this row to its load operation"}},"write_disposition":"append","name":"receipts","resource":"receipts","x-normalizer":{"seen-data":true}},"exchange_rates":{"columns":{"date":{"name":"date","nullable":false,"data_type":"date"},"currency":{"name":"currency","nullable":false,"data_type":"text"},"rate":{"name":"rate","nullable":false,"data_type":"decimal","precision":18,"scale":8},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false,"precision":64,"description":"Load identifier linking this row to its load operation"}},"write_disposition":"replace","name":"exchange_rates","resource":"exchange_rates","x-normalizer":{"seen-data":true}},"segments":{"columns":{"source":{"name":"source","nullable":false,"data_type":"text"},"segment":{"name":"segment","nullable":false,"data_type":"text"},"generation":{"name":"generation","nullable":false,"data_type":"bigint","precision":32},"from_offset":{"name":"from_offset","nullable":false,"data_type":"bigint"},"to_offset":{"name":"to_offset","nullable":false,"data_type":"bigint"},"size_bytes":{"name":"size_bytes","nullable":false,"data_type":"bigint"},"head_digest":{"name":"head_digest","nullable":false,"data_type":"text"},"lines":{"name":"lines","nullable":false,"data_type":"bigint"},"accepted":{"name":"accepted","nullable":false,"data_type":"bigint"},"stripped":{"name":"stripped","nullable":false,"data_type":"bigint"},"quarantined":{"name":"quarantined","nullable":false,"data_type":"bigint"},"max_received_at":{"name":"max_received_at","nullable":true,"data_type":"timestamp","timezone":false,"precision":6},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false,"precision":64,"description":"Load identifier linking this row to its load operation"}},"write_disposition":"append","name":"segments","resource":"segments","x-normalizer":{"seen-data":true}},"rejects":{"columns":{"source":{"name":"source","nullable":false,"data_type":"text"},"segment":{"name":"segment","nullable":false,"data_type":"text"},"generation":{"name":"generation","nullable":false,"data_type":"bigint","precision":32},"position":{"name":"position","nullable":false,"data_type":"bigint"},"item":{"name":"item","nullable":false,"data_type":"bigint","precision":32},"receipt_id":{"name":"receipt_id","nullable":true,"data_type":"text"},"receipt_hour":{"name":"receipt_hour","nullable":true,"data_type":"timestamp","timezone":false,"precision":6},"reject_id":{"name":"reject_id","nullable":false,"data_type":"text"},"records":{"name":"records","nullable":false,"data_type":"bigint","precision":32},"reason":{"name":"reason","nullable":false,"data_type":"text"},"pointer":{"name":"pointer","nullable":true,"data_type":"text"},"detail":{"name":"detail","nullable":true,"data_type":"text"},"event_name":{"name":"event_name","nullable":true,"data_type":"text"},"contract_version":{"name":"contract_version","nullable":true,"data_type":"text"},"digest":{"name":"digest","nullable":false,"data_type":"text"},"bytes_length":{"name":"bytes_length","nullable":false,"data_type":"bigint"},"stored_in":{"name":"stored_in","nullable":false,"data_type":"text"},"stored_at":{"name":"stored_at","nullable":false,"data_type":"bigint"},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false,"precision":64,"description":"Load identifier linking this row to its load operation"}},"write_disposition":"append","name":"rejects","resource":"rejects","x-normalizer":{"seen-data":true}},"events":{"columns":{"source":{"name":"source","nullable":false,"data_type":"text"},"segment":{"name":"segment","nullable":false,"data_type":"text"},"generation":{"name":"generation","nullable":false,"data_type":"bigint","precision":32},"position":{"name":"position","nullable":false,"data_type":"bigint"},"item":{"name":"item","nullable":false,"data_type":"bigint","precision":32},"receipt_id":{"name":"receipt_id","nullable":true,"data_type":"text"},"receipt_hour":{"name":"receipt_hour","nullable":true,"data_type":"timestamp","timezone":false,"precision":6},"disposition":{"name":"disposition","nullable":false,"data_type":"text"},"strip_reason":{"name":"strip_reason","nullable":true,"data_type":"text"},"dedupe_key":{"name":"dedupe_key","nullable":false,"data_type":"text"},"content_digest":{"name":"content_digest","nullable":false,"data_type":"text"},"contract_status":{"name":"contract_status","nullable":true,"data_type":"text"},"contract_version":{"name":"contract_version","nullable":true,"data_type":"text"},"redactions":{"name":"redactions","nullable":false,"data_type":"bigint","precision":32},"event_id":{"name":"event_id","nullable":true,"data_type":"text"},"event_name":{"name":"event_name","nullable":false,"data_type":"text"},"event_type":{"name":"event_type","nullable":true,"data_type":"text"},"schema_version":{"name":"schema_version","nullable":true,"data_type":"text"},"is_interactive":{"name":"is_interactive","nullable":false,"data_type":"bool"},"occurred_at":{"name":"occurred_at","nullable":false,"data_type":"timestamp","timezone":false,"precision":6},"original_at":{"name":"original_at","nullable":true,"data_type":"timestamp","timezone":false,"precision":6},"sent_at":{"name":"sent_at","nullable":true,"data_type":"timestamp","timezone":false,"precision":6},"received_at":{"name":"received_at","nullable":false,"data_type":"timestamp","timezone":false,"precision":6},"received_at_origin":{"name":"received_at_origin","nullable":true,"data_type":"text"},"user_id":{"name":"user_id","nullable":true,"data_type":"text"},"anonymous_id":{"name":"anonymous_id","nullable":true,"data_type":"text"},"device_id":{"name":"device_id","nullable":true,"data_type":"text"},"account_id":{"name":"account_id","nullable":true,"data_type":"text"},"external_ids":{"name":"external_ids","nullable":true,"data_type":"text"},"email_token":{"name":"email_token","nullable":true,"data_type":"text"},"email_verified":{"name":"email_verified","nullable":true,"data_type":"bool"},"phone_token":{"name":"phone_token","nullable":true,"data_type":"text"},"previous_id":{"name":"previous_id","nullable":true,"data_type":"text"},"client_session_id":{"name":"client_session_id","nullable":true,"data_type":"text"},"consent_analytics":{"name":"consent_analytics","nullable":true,"data_type":"bool"},"consent_marketing":{"name":"consent_marketing","nullable":true,"data_type":"bool"},"consent_source":{"name":"consent_source","nullable":true,"data_type":"text"},"consent_checked_at":{"name":"consent_checked_at","nullable":true,"data_type":"timestamp","timezone":false,"precision":6},"consent_version":{"name":"consent_version","nullable":true,"data_type":"text"},"surface":{"name":"surface","nullable":false,"data_type":"text"},"platform":{"name":"platform","nullable":true,"data_type":"text"},"app_version":{"name":"app_version","nullable":true,"data_type":"text"},"library":{"name":"library","nullable":true,"data_type":"text"},"library_version":{"name":"library_version","nullable":true,"data_type":"text"},"correlation_id":{"name":"correlation_id","nullable":true,"data_type":"text"},"page_url":{"name":"page_url","nullable":true,"data_type":"text"},"page_path":{"name":"page_path","nullable":true,"data_type":"text"},"page_title":{"name":"page_title","nullable":true,"data_type":"text"},"referrer":{"name":"referrer","nullable":true,"data_type":"text"},"referrer_host":{"name":"referrer_host","nullable":true,"data_type":"text"},"screen":{"name":"screen","nullable":true,"data_type":"text"},"utm_source":{"name":"utm_source","nullable":true,"data_type":"text"},"utm_medium":{"name":"utm_medium","nullable":true,"data_type":"text"},"utm_campaign":{"name":"utm_campaign","nullable":true,"data_type":"text"},"utm_term":{"name":"utm_term","nullable":true,"data_type":"text"},"utm_content":{"name":"utm_content","nullable":true,"data_type":"text"},"click_id_kind":{"name":"click_id_kind","nullable":true,"data_type":"text"},"locale":{"name":"locale","nullable":true,"data_type":"text"},"time_zone":{"name":"time_zone","nullable":true,"data_type":"text"},"country":{"name":"country","nullable":true,"data_type":"text"},"device_class":{"name":"device_class","nullable":true,"data_type":"text"},"is_bot":{"name":"is_bot","nullable":false,"data_type":"bool"},"revenue":{"name":"revenue","nullable":true,"data_type":"decimal","precision":18,"scale":6},"currency":{"name":"currency","nullable":true,"data_type":"text"},"order_id":{"name":"order_id","nullable":true,"data_type":"text"},"properties":{"name":"properties","nullable":true,"data_type":"text"},"properties_unreviewed":{"name":"properties_unreviewed","nullable":true,"data_type":"text"},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false,"precision":64,"description":"Load identifier linking this row to its load operation"}},"write_disposition":"append","name":"events","resource":"events","x-normalizer":{"seen-data":true}},"_dlt_pipeline_state":{"columns":{"version":{"name":"version","data_type":"bigint","nullable":false,"description":"Numeric version of the pipeline state"},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false,"description":"Version of the dlt state engine"},"pipeline_name":{"name":"pipeline_name","data_type":"text","nullable":false,"description":"Name of the pipeline this state belongs to"},"state":{"name":"state","data_type":"text","nullable":false,"description":"Compressed JSON representation of the pipeline state"},"created_at":{"name":"created_at","data_type":"timestamp","nullable":false,"description":"Timestamp when this state was created"},"version_hash":{"name":"version_hash","data_type":"text","nullable":true,"description":"Hash of the state content, used to detect changes"},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false,"precision":64,"description":"Load identifier linking this row to its load operation"},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"append","file_format":"preferred","name":"_dlt_pipeline_state","resource":"_dlt_pipeline_state","x-normalizer":{"seen-data":true}}},"settings":{"detections":["iso_timestamp"],"default_hints":{"not_null":["_dlt_id","_dlt_root_id","_dlt_parent_id","_dlt_list_idx","_dlt_load_id"],"parent_key":["_dlt_parent_id"],"root_key":["_dlt_root_id"],"unique":["_dlt_id"],"row_key":["_dlt_id"]}},"normalizers":{"names":"snake_case","json":{"module":"dlt.common.normalizers.json.relational","config":{"max_nesting":0}}},"previous_hashes":["viGnRWnNQF4WNvYcZE+QhdROyaZT01CqzDDQqzhIB30=","lvdIJohbW5BZvMAWnNUcBt6UZbWU6/reO8AhmDTgfd0="]}');
CREATE TABLE raw.events(
  "source" VARCHAR NOT NULL,
  segment VARCHAR NOT NULL,
  generation INTEGER NOT NULL,
  "position" BIGINT NOT NULL,
  item INTEGER NOT NULL,
  receipt_id VARCHAR,
  receipt_hour TIMESTAMP,
  disposition VARCHAR NOT NULL,
  strip_reason VARCHAR,
  dedupe_key VARCHAR NOT NULL,
  content_digest VARCHAR NOT NULL,
  contract_status VARCHAR,
  contract_version VARCHAR,
  redactions INTEGER NOT NULL,
  event_id VARCHAR,
  event_name VARCHAR NOT NULL,
  event_type VARCHAR,
  schema_version VARCHAR,
  is_interactive BOOLEAN NOT NULL,
  occurred_at TIMESTAMP NOT NULL,
  original_at TIMESTAMP,
  sent_at TIMESTAMP,
  received_at TIMESTAMP NOT NULL,
  received_at_origin VARCHAR,
  user_id VARCHAR,
  anonymous_id VARCHAR,
  device_id VARCHAR,
  account_id VARCHAR,
  external_ids VARCHAR,
  email_token VARCHAR,
  email_verified BOOLEAN,
  phone_token VARCHAR,
  previous_id VARCHAR,
  client_session_id VARCHAR,
  consent_analytics BOOLEAN,
  consent_marketing BOOLEAN,
  consent_source VARCHAR,
  consent_checked_at TIMESTAMP,
  consent_version VARCHAR,
  surface VARCHAR NOT NULL,
  platform VARCHAR,
  app_version VARCHAR,
  library VARCHAR,
  library_version VARCHAR,
  correlation_id VARCHAR,
  page_url VARCHAR,
  page_path VARCHAR,
  page_title VARCHAR,
  referrer VARCHAR,
  referrer_host VARCHAR,
  screen VARCHAR,
  utm_source VARCHAR,
  utm_medium VARCHAR,
  utm_campaign VARCHAR,
  utm_term VARCHAR,
  utm_content VARCHAR,
  click_id_kind VARCHAR,
  locale VARCHAR,
  time_zone VARCHAR,
  country VARCHAR,
  device_class VARCHAR,
  is_bot BOOLEAN NOT NULL,
  revenue DECIMAL(18,6),
  currency VARCHAR,
  order_id VARCHAR,
  properties VARCHAR,
  properties_unreviewed VARCHAR,
  _dlt_load_id VARCHAR NOT NULL);
insert into raw."events" values ('web', 'a.jsonl', 1, 0, 0, null, '2026-04-01 10:00:00', 'accepted', null, 'c3e3dcb73b4f41c4a1716d13450d2a7f', 'fe39458ef966090e381866efbd6693a8', 'unplanned', null, 0, 'e0', 'page_view', 'page', null, true, '2026-04-01 10:00:00', '2026-04-01 10:00:00', null, '2026-04-01 10:00:00', 'declared', 'u_0', null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'web', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, false, null, null, null, null, null, '1795380758.24626');
insert into raw."events" values ('web', 'a.jsonl', 1, 208, 0, null, '2026-04-01 10:00:00', 'accepted', null, '8dae01d4bb34743290300510fe2a4d94', '3f28819cbf064d1538a687c9cdb864f2', 'unplanned', null, 0, 'e1', 'page_view', 'page', null, true, '2026-04-01 10:01:00', '2026-04-01 10:01:00', null, '2026-04-01 10:01:00', 'declared', 'u_1', null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'web', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, false, null, null, null, null, null, '1795380758.24626');
insert into raw."events" values ('web', 'a.jsonl', 1, 416, 0, null, '2026-04-01 10:00:00', 'accepted', null, 'ce26c6243ba1de6e6096d57695cd827e', '9e7cda24dd538546994062c69339cf5e', 'unplanned', null, 0, 'e2', 'order_completed', 'track', null, true, '2026-04-01 10:02:00', '2026-04-01 10:02:00', null, '2026-04-01 10:02:00', 'declared', 'u_0', null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'web', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, false, '12.500000', 'EUR', 'o_1', null, null, '1795380758.24626');
CREATE TABLE raw.exchange_rates(date DATE NOT NULL, currency VARCHAR NOT NULL, rate DECIMAL(18,8) NOT NULL, _dlt_load_id VARCHAR NOT NULL);
CREATE TABLE raw.receipts(
  "source" VARCHAR NOT NULL,
  segment VARCHAR NOT NULL,
  generation INTEGER NOT NULL,
  from_offset BIGINT NOT NULL,
  to_offset BIGINT NOT NULL,
  receipt_hour TIMESTAMP,
  records BIGINT NOT NULL,
  _dlt_load_id VARCHAR NOT NULL);
insert into raw."receipts" values ('web', 'a.jsonl', 1, 0, 709, '2026-04-01 10:00:00', 3, '1795380758.24626');
insert into raw."receipts" values ('web', 'a.jsonl', 1, 0, 709, null, 1, '1795380758.24626');
CREATE TABLE raw.rejects(
  "source" VARCHAR NOT NULL,
  segment VARCHAR NOT NULL,
  generation INTEGER NOT NULL,
  "position" BIGINT NOT NULL,
  item INTEGER NOT NULL,
  receipt_id VARCHAR,
  receipt_hour TIMESTAMP,
  reject_id VARCHAR NOT NULL,
  records INTEGER NOT NULL,
  reason VARCHAR NOT NULL,
  pointer VARCHAR,
  detail VARCHAR,
  event_name VARCHAR,
  contract_version VARCHAR,
  digest VARCHAR NOT NULL,
  bytes_length BIGINT NOT NULL,
  stored_in VARCHAR NOT NULL,
  stored_at BIGINT NOT NULL,
  _dlt_load_id VARCHAR NOT NULL);
insert into raw."rejects" values ('web', 'a.jsonl', 1, 701, 0, null, null, 'dd2f2b96f7a4fc7894fdec0197b4c3dc', 1, 'malformed_json', '', 'not JSON at byte 2', null, null, '98866942b4d1f3519c236f4f6803adb8', 7, 'web/20261122T2052371927f5.bin', 0, '1795380758.24626');
CREATE TABLE raw.segments(
  "source" VARCHAR NOT NULL,
  segment VARCHAR NOT NULL,
  generation INTEGER NOT NULL,
  from_offset BIGINT NOT NULL,
  to_offset BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL,
  head_digest VARCHAR NOT NULL,
  lines BIGINT NOT NULL,
  accepted BIGINT NOT NULL,
  stripped BIGINT NOT NULL,
  quarantined BIGINT NOT NULL,
  max_received_at TIMESTAMP,
  _dlt_load_id VARCHAR NOT NULL);
insert into raw."segments" values ('web', 'a.jsonl', 1, 0, 709, 709, '709:d3240ccfde009d8658b86c517d228d21', 4, 3, 0, 1, '2026-04-01 10:02:00', '1795380758.24626');
