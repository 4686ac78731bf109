BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE audit (
	id CHAR(32) NOT NULL, 
	server VARCHAR(32) NOT NULL, 
	actor VARCHAR(32) NOT NULL, 
	actor_name VARCHAR(100) NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	scope VARCHAR(16) NOT NULL, 
	subject VARCHAR(32), 
	changes JSON NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id), 
	CONSTRAINT fk_audit_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE, 
	CONSTRAINT ck_audit_scope CHECK (scope IN ('server', 'role', 'member'))
);
CREATE TABLE blocks (
	server VARCHAR(32) NOT NULL, 
	member VARCHAR(32) NOT NULL, 
	reason TEXT, 
	"by" VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_blocks PRIMARY KEY (server, member), 
	CONSTRAINT fk_blocks_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE
);
CREATE TABLE images (
	id CHAR(32) NOT NULL, 
	job_id CHAR(32) NOT NULL, 
	"index" INTEGER NOT NULL, 
	seed BIGINT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	file VARCHAR(255) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size INTEGER NOT NULL, removed_at DATETIME, 
	CONSTRAINT pk_images PRIMARY KEY (id), 
	CONSTRAINT fk_images_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE, 
	CONSTRAINT uq_images_file UNIQUE (file), 
	CONSTRAINT uq_images_job_id_index UNIQUE (job_id, "index")
);
INSERT INTO "images" VALUES('0290a1b2c3d4471e8f0123456789abcd','0190a1b2c3d4471e8f0123456789abcd',0,42,64,64,'01/gone.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL);
CREATE TABLE jobs (
	id CHAR(32) NOT NULL, 
	parent_id CHAR(32), 
	requester VARCHAR(32) NOT NULL, 
	requester_name VARCHAR(100) NOT NULL, 
	server VARCHAR(32), 
	channel VARCHAR(32) NOT NULL, 
	message VARCHAR(32), 
	reply_to VARCHAR(32), 
	interaction_token TEXT, 
	token_expires DATETIME, 
	prompt TEXT NOT NULL, 
	negative_prompt TEXT NOT NULL, 
	model VARCHAR(255) NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	steps INTEGER NOT NULL, 
	guidance_scale DOUBLE NOT NULL, 
	scheduler VARCHAR(64) NOT NULL, 
	seed BIGINT NOT NULL, 
	count INTEGER NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	error_code VARCHAR(64), 
	accepted_at DATETIME NOT NULL, 
	started_at DATETIME, 
	rendered_at DATETIME, 
	ended_at DATETIME, 
	told_at DATETIME, 
	deleted_at DATETIME, 
	starts INTEGER NOT NULL, 
	cost DOUBLE NOT NULL, 
	device_seconds DOUBLE NOT NULL, crashes INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT fk_jobs_parent_id_jobs FOREIGN KEY(parent_id) REFERENCES jobs (id) ON DELETE SET NULL, 
	CONSTRAINT ck_jobs_status CHECK (status IN ('accepted', 'started', 'rendered', 'posted', 'failed', 'cancelled', 'interrupted'))
);
INSERT INTO "jobs" VALUES('0190a1b2c3d4471e8f0123456789abcd',NULL,'1001','alice','9000','5000','6000',NULL,NULL,NULL,'a red heart from before','','builtin',64,64,12,4.0,'DDIM',42,1,'posted',NULL,'2026-10-02 10:00:00.000000','2026-10-02 10:00:01.000000','2026-10-02 10:00:02.000000','2026-10-02 10:00:03.000000',NULL,NULL,1,1.0,0.9,0);
CREATE TABLE limits (
	server VARCHAR(32) NOT NULL, 
	scope VARCHAR(16) NOT NULL, 
	subject VARCHAR(32) NOT NULL, 
	images_a_day INTEGER, 
	jobs_at_once INTEGER, 
	largest_size INTEGER, 
	most_steps INTEGER, 
	cooldown INTEGER, 
	CONSTRAINT pk_limits PRIMARY KEY (server, scope, subject), 
	CONSTRAINT fk_limits_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE, 
	CONSTRAINT ck_limits_scope CHECK (scope IN ('server', 'role', 'member'))
);
INSERT INTO "limits" VALUES('9000','server','9000',10,NULL,NULL,NULL,5);
CREATE TABLE servers (
	id VARCHAR(32) NOT NULL, 
	first_set_at DATETIME NOT NULL, 
	CONSTRAINT pk_servers PRIMARY KEY (id)
);
INSERT INTO "servers" VALUES('9000','2026-10-01 10:00:00.000000');
CREATE INDEX ix_jobs_channel_message ON jobs (channel, message);
CREATE INDEX ix_jobs_parent_id ON jobs (parent_id);
CREATE INDEX ix_jobs_requester_server_accepted_at ON jobs (requester, server, accepted_at);
CREATE INDEX ix_jobs_server_accepted_at ON jobs (server, accepted_at);
CREATE INDEX ix_jobs_status_requester ON jobs (status, requester);
CREATE INDEX ix_audit_server_at ON audit (server, at);
COMMIT;
