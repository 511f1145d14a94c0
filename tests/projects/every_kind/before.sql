CREATE TABLE setting (name text PRIMARY KEY, value text);
INSERT INTO setting VALUES ('mode', 'fast'), ('colour', 'red');
CREATE TABLE city_log (what text);
CREATE SEQUENCE counter;
