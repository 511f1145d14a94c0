-- What PostgreSQL 18 brought.
CREATE TABLE app.stays (room int4range, during tstzrange, nights integer, cost integer GENERATED ALWAYS AS (nights * 3) VIRTUAL,
  CONSTRAINT stays_key PRIMARY KEY (room, during WITHOUT OVERLAPS), CONSTRAINT any_night CHECK (nights > 0) NOT ENFORCED);
CREATE TABLE app.guests (room int4range, during tstzrange, CONSTRAINT in_time FOREIGN KEY (room, PERIOD during) REFERENCES app.stays (room, PERIOD during));
COMMENT ON CONSTRAINT stays_room_not_null ON app.stays IS 'n';
