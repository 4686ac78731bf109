CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
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
INSERT INTO "audit" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','9000','1004','Ada','limits.set','server',NULL,'[["cooldown", null, 5]]','2026-01-02 03:04:05.000006');
CREATE TABLE blocks (
	server VARCHAR(32) NOT NULL, 
	member VARCHAR(32) NOT NULL, 
	reason TEXT, 
	"by" VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_blocks PRIMARY KEY (server, member), 
	CONSTRAINT fk_blocks_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE
);
INSERT INTO "blocks" VALUES('9000','1002','spam','1004','2026-01-02 03:04:05.000006');
CREATE TABLE galleries (
	server VARCHAR(32) NOT NULL, 
	channel VARCHAR(32) NOT NULL, 
	stars INTEGER NOT NULL, 
	CONSTRAINT pk_galleries PRIMARY KEY (server), 
	CONSTRAINT fk_galleries_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE
);
CREATE TABLE gallery_copies (
	job_id CHAR(32) NOT NULL, 
	channel VARCHAR(32) NOT NULL, 
	message VARCHAR(32), 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_gallery_copies PRIMARY KEY (job_id), 
	CONSTRAINT fk_gallery_copies_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE identity (
	id CHAR(32) NOT NULL, 
	CONSTRAINT pk_identity PRIMARY KEY (id)
);
CREATE TABLE "images" (
	id CHAR(32) NOT NULL, 
	job_id CHAR(32) NOT NULL, 
	"index" INTEGER NOT NULL, 
	seed BIGINT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	file VARCHAR(255) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size INTEGER NOT NULL, 
	removed_at DATETIME, 
	made_at DATETIME NOT NULL, 
	cleared_at DATETIME, score DOUBLE, look VARCHAR(64), held_at DATETIME, decision VARCHAR(16), decided_by VARCHAR(32), decided_at DATETIME, given_at DATETIME, 
	CONSTRAINT pk_images PRIMARY KEY (id), 
	CONSTRAINT fk_images_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE, 
	CONSTRAINT uq_images_job_id_index UNIQUE (job_id, "index"), 
	CONSTRAINT uq_images_file UNIQUE (file)
);
INSERT INTO "images" VALUES('a0000000000000000000000000000002','00000000000000000000000000000002',0,0,64,128,'00/00000000000000000000000000000002.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a0000000000000000000000000000003','00000000000000000000000000000003',0,0,64,128,'00/00000000000000000000000000000003.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a0000000000000000000000000000028','00000000000000000000000000000028',0,0,64,128,'00/00000000000000000000000000000028.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a0000000000000000000000000000029','00000000000000000000000000000029',0,0,64,128,'00/00000000000000000000000000000029.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a000000000000000000000000000002a','0000000000000000000000000000002a',0,0,64,128,'00/0000000000000000000000000000002a.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a000000000000000000000000000002b','0000000000000000000000000000002b',0,0,64,128,'00/0000000000000000000000000000002b.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a000000000000000000000000000002c','0000000000000000000000000000002c',0,0,64,128,'00/0000000000000000000000000000002c.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a000000000000000000000000000003c','0000000000000000000000000000003c',0,0,64,128,'00/0000000000000000000000000000003c.png','0000000000000000000000000000000000000000000000000000000000000000',100,'2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a000000000000000000000000000003d','0000000000000000000000000000003d',0,0,64,128,'00/0000000000000000000000000000003d.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('a000000000000000000000000000003f','0000000000000000000000000000003f',0,0,64,128,'00/0000000000000000000000000000003f.png','0000000000000000000000000000000000000000000000000000000000000000',100,NULL,'2026-01-02 03:05:05.000006',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE job_inputs (
	job_id CHAR(32) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_job_inputs PRIMARY KEY (job_id, role), 
	CONSTRAINT fk_job_inputs_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE "jobs" (
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
	model VARCHAR(255) NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	error_code VARCHAR(64), 
	accepted_at DATETIME NOT NULL, 
	rendered_at DATETIME, 
	ended_at DATETIME, 
	told_at DATETIME, 
	deleted_at DATETIME, 
	crashes INTEGER DEFAULT '0' NOT NULL, 
	device_seconds DOUBLE NOT NULL, 
	ended_by VARCHAR(32), 
	weight DOUBLE DEFAULT '1' NOT NULL, 
	estimated_seconds DOUBLE DEFAULT '0' NOT NULL, 
	request JSON NOT NULL, action VARCHAR(32), drawn_with JSON, given_back INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT fk_jobs_parent_id_jobs FOREIGN KEY(parent_id) REFERENCES jobs (id) ON DELETE SET NULL, 
	CONSTRAINT ck_jobs_status CHECK (status IN ('accepted', 'started', 'rendered', 'posted', 'failed', 'cancelled', 'interrupted'))
);
INSERT INTO "jobs" VALUES('00000000000000000000000000000000',NULL,'1001','Ann','9000','5000','60',NULL,NULL,NULL,'builtin',64,128,2,'accepted',NULL,'2026-01-02 03:04:05.000006',NULL,NULL,NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 0\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000001',NULL,'1001','Ann','9000','5000','61',NULL,NULL,NULL,'builtin',64,128,2,'started',NULL,'2026-01-02 03:04:05.000006',NULL,NULL,NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 1\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000002',NULL,'1001','Ann','9000','5000','62',NULL,NULL,NULL,'builtin',64,128,2,'rendered',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 2\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000003',NULL,'1001','Ann','9000','5000','63',NULL,NULL,NULL,'builtin',64,128,2,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 3\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000004',NULL,'1001','Ann','9000','5000','64',NULL,NULL,NULL,'builtin',64,128,2,'failed','broken_image','2026-01-02 03:04:05.000006',NULL,'2026-01-02 03:05:05.000006',NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 4\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000005',NULL,'1001','Ann','9000','5000','65',NULL,NULL,NULL,'builtin',64,128,2,'cancelled',NULL,'2026-01-02 03:04:05.000006',NULL,'2026-01-02 03:05:05.000006',NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 5\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000006',NULL,'1001','Ann','9000','5000','66',NULL,NULL,NULL,'builtin',64,128,2,'interrupted',NULL,'2026-01-02 03:04:05.000006',NULL,'2026-01-02 03:05:05.000006',NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 6\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000014',NULL,'1001','Ann','9000','5000','620',NULL,NULL,NULL,'builtin',64,128,2,'accepted',NULL,'2026-01-02 03:04:05.000006',NULL,NULL,NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 20\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "Heun", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000028',NULL,'1001','Ann','9000','5000','640',NULL,NULL,NULL,'builtin',64,128,2,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 40\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "Heun", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000015',NULL,'1001','Ann','9000','5000','621',NULL,NULL,NULL,'builtin',64,128,2,'accepted',NULL,'2026-01-02 03:04:05.000006',NULL,NULL,NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000029',NULL,'1001','Ann','9000','5000','641',NULL,NULL,NULL,'builtin',64,128,2,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000016',NULL,'1001','Ann','9000','5000','622',NULL,NULL,NULL,'builtin',64,128,2,'accepted',NULL,'2026-01-02 03:04:05.000006',NULL,NULL,NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 22\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 99999, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('0000000000000000000000000000002a',NULL,'1001','Ann','9000','5000','642',NULL,NULL,NULL,'builtin',64,128,2,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 42\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 99999, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000017',NULL,'1001','Ann','9000','5000','623',NULL,NULL,NULL,'builtin',64,128,2,'accepted',NULL,'2026-01-02 03:04:05.000006',NULL,NULL,NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "\u200b", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('0000000000000000000000000000002b',NULL,'1001','Ann','9000','5000','643',NULL,NULL,NULL,'builtin',64,128,2,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "\u200b", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('00000000000000000000000000000018',NULL,'1001','Ann','9000','5000','624',NULL,NULL,NULL,'builtin',7,128,9,'accepted',NULL,'2026-01-02 03:04:05.000006',NULL,NULL,NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 24\n\\", "negative_prompt": "", "model": "builtin", "width": 7, "height": 128, "steps": 3, "guidance_scale": 1000000.0, "scheduler": "DPM++ 2M Karras", "seed": 8589934592, "count": 9}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('0000000000000000000000000000002c',NULL,'1001','Ann','9000','5000','644',NULL,NULL,NULL,'builtin',7,128,9,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 44\n\\", "negative_prompt": "", "model": "builtin", "width": 7, "height": 128, "steps": 3, "guidance_scale": 1000000.0, "scheduler": "DPM++ 2M Karras", "seed": 8589934592, "count": 9}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('0000000000000000000000000000003c','00000000000000000000000000000003','1001','Ann',NULL,'5000','660',NULL,NULL,NULL,'builtin',64,128,2,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 60\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('0000000000000000000000000000003d',NULL,'1001','Ann','9000','5000','661',NULL,NULL,NULL,'builtin',64,128,2,'posted',NULL,'2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006','2026-01-02 03:05:05.000006',NULL,'2026-01-02 03:05:05.000006',0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 61\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('0000000000000000000000000000003e',NULL,'1001','Ann','9000','5000','662',NULL,NULL,NULL,'builtin',64,128,2,'failed','quarantined','2026-01-02 03:04:05.000006',NULL,'2026-01-02 03:05:05.000006',NULL,NULL,0,0.0,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 62\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
INSERT INTO "jobs" VALUES('0000000000000000000000000000003f',NULL,'1001','Ann','9000','5000','663',NULL,NULL,NULL,'builtin',64,128,2,'rendered','discord_50007','2026-01-02 03:04:05.000006','2026-01-02 03:05:05.000006',NULL,NULL,NULL,0,1.5,NULL,1.0,0.0,'{"version": 1, "syntax": 1, "prompt": "a \"red\" heart \ud83c\udf88 63\n\\", "negative_prompt": "", "model": "builtin", "width": 64, "height": 128, "steps": 3, "guidance_scale": 7.5, "scheduler": "DPM++ 2M Karras", "seed": 4294967295, "count": 2}',NULL,NULL,0);
CREATE TABLE limits (
	server VARCHAR(32) NOT NULL, 
	scope VARCHAR(16) NOT NULL, 
	subject VARCHAR(32) NOT NULL, 
	by_name JSON DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_limits PRIMARY KEY (server, scope, subject), 
	CONSTRAINT fk_limits_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE, 
	CONSTRAINT ck_limits_scope CHECK (scope IN ('server', 'role', 'member'))
);
INSERT INTO "limits" VALUES('9000','server','9000','{"cooldown": 5}');
INSERT INTO "limits" VALUES('9000','role','7001','{"cooldown": 5}');
INSERT INTO "limits" VALUES('9000','member','1001','{"cooldown": 5}');
CREATE TABLE reviews (
	image_id CHAR(32) NOT NULL, 
	channel VARCHAR(32) NOT NULL, 
	message VARCHAR(32), 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_reviews PRIMARY KEY (image_id), 
	CONSTRAINT fk_reviews_image_id_images FOREIGN KEY(image_id) REFERENCES images (id) ON DELETE CASCADE
);
CREATE TABLE servers (
	id VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_servers PRIMARY KEY (id)
);
INSERT INTO "servers" VALUES('9000');
CREATE TABLE settings (
	server VARCHAR(32) NOT NULL, 
	topic VARCHAR(32) NOT NULL, 
	by_name JSON NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (server, topic), 
	CONSTRAINT fk_settings_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE
);
CREATE TABLE stars (
	job_id CHAR(32) NOT NULL, 
	member VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_stars PRIMARY KEY (job_id, member), 
	CONSTRAINT fk_stars_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE strike_resets (
	server VARCHAR(32) NOT NULL, 
	member VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_strike_resets PRIMARY KEY (server, member), 
	CONSTRAINT fk_strike_resets_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE
);
CREATE TABLE unwanted (
	server VARCHAR(32) NOT NULL, 
	look VARCHAR(64) NOT NULL, 
	job_id CHAR(32), 
	"by" VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_unwanted PRIMARY KEY (server, look), 
	CONSTRAINT fk_unwanted_server_servers FOREIGN KEY(server) REFERENCES servers (id) ON DELETE CASCADE
);
CREATE INDEX ix_audit_server_at ON audit (server, at);
CREATE INDEX ix_jobs_parent_id ON jobs (parent_id);
CREATE INDEX ix_jobs_channel_message ON jobs (channel, message);
CREATE INDEX ix_jobs_requester_server_accepted_at ON jobs (requester, server, accepted_at);
CREATE INDEX ix_jobs_server_accepted_at ON jobs (server, accepted_at);
CREATE INDEX ix_jobs_requester_status_accepted_at ON jobs (requester, status, accepted_at);
CREATE INDEX ix_jobs_status_ended_at ON jobs (status, ended_at);
CREATE INDEX ix_jobs_error_code_server ON jobs (error_code, server) WHERE error_code IS NOT NULL;
CREATE INDEX ix_images_on_disk ON images (made_at, size) WHERE cleared_at IS NULL;
CREATE INDEX ix_images_to_clear ON images (removed_at) WHERE removed_at IS NOT NULL AND cleared_at IS NULL;
CREATE INDEX ix_jobs_deleted_at ON jobs (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_job_inputs_sha256 ON job_inputs (sha256);
CREATE INDEX ix_stars_member_at ON stars (member, at);
CREATE INDEX ix_gallery_copies_at ON gallery_copies (at) WHERE message IS NULL;
CREATE INDEX ix_jobs_requester_accepted_at_id ON jobs (requester, accepted_at, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_images_waiting ON images (held_at) WHERE held_at IS NOT NULL AND decision IS NULL;
CREATE INDEX ix_images_to_give ON images (decided_at) WHERE decision IN ('approved', 'false_positive') AND given_at IS NULL;
CREATE INDEX ix_images_kept_back ON images (decided_at) WHERE decision = 'kept_back';
