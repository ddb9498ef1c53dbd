/* Likeness: a model on this device learns a subject from a few photos and paints it from a prompt.
 *
 * Personalize:
 *
 *   lk_engine* engine = NULL;
 *   if (lk_engine_open("bundle", NULL, &engine) != LK_OK) puts(lk_last_error());
 *
 *   lk_train_settings settings;
 *   lk_train_settings_default(engine, &settings);
 *   settings.class_name = "dog";
 *   settings.token = "<my-dog>";
 *
 *   lk_session* session = NULL;
 *   lk_session_create(engine, &settings, "journal", &session);
 *   lk_session_add_photo(session, rgb, width, height, 3 * width, 3);   // a few times
 *   if (lk_session_run(session, NULL) != LK_OK) puts(lk_last_error());
 *   lk_session_save_adapter(session, "my-dog.safetensors");
 *   lk_session_close(session);
 *
 * If the process is killed on the way, lk_session_resume(engine, "journal", &session) and
 * lk_session_run() go on, without the photos, and end in the same bytes.
 *
 * Generate:
 *
 *   lk_adapter* adapter = NULL;
 *   lk_adapter_load(engine, "my-dog.safetensors", &adapter);
 *   lk_sample_settings sampling;
 *   lk_sample_settings_default(engine, &sampling);
 *   sampling.prompt = "a <my-dog> dog in a bucket";
 *   size_t size = lk_generate_bytes(engine, &sampling);
 *   uint8_t* pixels = malloc(size);
 *   lk_generate(engine, adapter, &sampling, NULL, pixels, size);
 *
 * Two subjects in one prompt: lk_adapter_merge() makes one adapter of two.
 *
 * Errors. Every function that can fail returns a status; lk_last_error() then gives a message for
 * people that says what is wrong and what to do. Output arguments are untouched on failure. Nothing
 * aborts, throws through this header, writes to standard output or opens a network connection.
 *
 * Threads.
 * - An engine and an adapter are immutable. Any number of threads may use one at the same time.
 * - A session belongs to one thread at a time: while lk_session_run() runs, only
 *   lk_session_pause(), lk_session_unpause() and lk_session_cancel() may be called on it from other
 *   threads (and from callbacks); every other function then returns LK_BUSY.
 * - Callbacks come on the thread that called. They may call the three functions above, and any
 *   function on other objects.
 * - lk_last_error() is of the calling thread, until its next failing call.
 * - Objects may be closed in any order: a session or an adapter keeps what it needs of its engine.
 *   But nobody may be inside a function with an object that is closed.
 * - The programs' worker threads belong to the process and are shared by all engines.
 *
 * Texts are UTF-8 and zero-terminated. Pointers given to a function are not kept after it returns.
 */
#ifndef LIKENESS_H_
#define LIKENESS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define LK_API __attribute__((visibility("default")))
#else
#define LK_API
#endif

/* Grows when a structure or a function changes its meaning. */
#define LK_API_VERSION 4

typedef enum lk_status {
  LK_OK = 0,
  LK_INVALID_ARGUMENT = 1,
  LK_IO = 2,
  LK_CORRUPT = 3,             /* a file is damaged or is not what it should be */
  LK_UNSUPPORTED_VERSION = 4, /* a file is of a newer or an older format */
  LK_WRONG_MODEL = 5,         /* an adapter or a journal of another base model */
  LK_OUT_OF_MEMORY = 6,
  LK_CANCELLED = 7,
  LK_BUSY = 8,
  LK_NOT_FINITE = 9, /* training diverged, or a file holds NaN */
  LK_DISK_FULL = 10,
  LK_INTERNAL = 11,
  LK_BAD_PHOTO = 12
} lk_status;

typedef struct lk_engine lk_engine;
typedef struct lk_session lk_session;
typedef struct lk_adapter lk_adapter;

LK_API int32_t lk_api_version(void);

/* Message of this thread's last failing call, or "". Valid until its next one. */
LK_API const char* lk_last_error(void);

/* Frees a text that a function of this header gave. */
LK_API void lk_string_free(char* text);

/* Engine ----------------------------------------------------------------------------------------*/

typedef struct lk_engine_options {
  int32_t skip_hash_check;     /* 0: every file of the bundle is hashed when it is opened */
  int32_t threads;             /* 0: one a physical core. The same for all engines of a process.
                                  Core ML chooses for itself */
  uint64_t memory_limit_bytes; /* 0: none. Otherwise programs beyond it are loaded when needed and
                                  unloaded at once, which is slower */
  const char* cache_folder;    /* where Core ML's programs are kept as they were compiled for this
                                  device; may be emptied at any time. NULL: a folder of its own in
                                  the system's folder for caches */
} lk_engine_options;

/* Opens the bundle in `folder`. `options` may be NULL. */
LK_API lk_status lk_engine_open(const char* folder, const lk_engine_options* options,
                                lk_engine** engine);
LK_API void lk_engine_close(lk_engine* engine);

/* Model, sizes, adapter kinds, classes with a prior, recommended settings: a JSON object. */
LK_API lk_status lk_engine_info(const lk_engine* engine, char** json);

/* Width and height of the pictures. */
LK_API int32_t lk_engine_image_size(const lk_engine* engine);

/* Unloads programs that are kept for the next call: after a warning that memory is short. */
LK_API void lk_engine_trim(const lk_engine* engine);

/* Adapters --------------------------------------------------------------------------------------*/

/* LK_WRONG_MODEL where the file was trained on another base model. */
LK_API lk_status lk_adapter_load(const lk_engine* engine, const char* path, lk_adapter** adapter);
LK_API void lk_adapter_close(lk_adapter* adapter);

/* Kind, tokens, class, training settings: a JSON object. */
LK_API lk_status lk_adapter_info(const lk_adapter* adapter, char** json);

/* Makes `count` adapters, two or more, into one of kind "full" that knows all their tokens, for
 * prompts that name several subjects; writes it to `path`, replaced as a whole. Nothing is trained:
 * Custom Diffusion's constrained optimization, in closed form, takes seconds. LK_WRONG_MODEL where
 * one is of another base model than the engine. LK_INVALID_ARGUMENT where two have the same token,
 * where there are more tokens than the model takes (max_modifier_tokens of lk_engine_info()), where
 * one is merged already, and where the model cannot tell two subjects' words apart. */
LK_API lk_status lk_adapter_merge(const lk_engine* engine, const lk_adapter* const* adapters,
                                  size_t count, const char* path);

/* Personalization -------------------------------------------------------------------------------*/

/* The fields' names are also the keys of `recommended.training` in a bundle's manifest and of
 * `training` in an adapter file. */
typedef struct lk_train_settings {
  const char* class_name;        /* what the photos show, in a word: dog, mug. To be set */
  const char* token;             /* a new word for the subject; "<my-thing>" */
  const char* adapter_kind;      /* one of the bundle's, usually "full" or "lora" */
  const char* optimizer;         /* of the keys' and values' matrices: adamw or muon */
  const char* lr_schedule;       /* constant, constant_with_warmup or cosine */
  const char* preview_prompt;    /* NULL or "": "a photo of a <token> <class>" */
  uint64_t seed;                 /* equal seeds, photos and settings give equal adapters */
  int64_t steps;                 /* optimizer steps */
  int64_t warmup_steps;          /* steps over which the learning rate rises */
  int64_t views;                 /* augmented views of all photos together; at least one a photo */
  int64_t checkpoint_every;      /* steps between checkpoints in the journal */
  int64_t preview_every;         /* steps between preview pictures; 0: none */
  double learning_rate;          /* of the keys' and values' matrices */
  double modifier_learning_rate; /* of the token's embedding; 0: it stays the class's, and training
                                    skips the text encoder's backward pass */
  double weight_decay;           /* decoupled */
  double max_grad_norm;          /* gradients are scaled down to it; 0: never */
  double prior_loss_weight;      /* of prior preservation; 0: off */
  double prior_text_weight;      /* how firmly keys and values of the bundle's prior captions are
                                    held, so that other words keep their meaning; 0: not at all;
                                    needs muon */
  double fine_timesteps;         /* share of timesteps, 0 to 1, that are drawn from the lower 40 %,
                                    where what is fine is rendered; the others from all */
  int32_t hflip;                 /* mirror half of the views */
  int32_t size_augmentation;     /* shrink and enlarge views as Custom Diffusion does */
  int32_t caption_places;        /* the model says itself, of the places in the bundle's prior
                                    captions, what is behind the subject in each photo, so that
                                    the subject is learned and not what is behind it */
} lk_train_settings;

/* Fills in what the bundle recommends. Texts in it live as long as the engine. */
LK_API lk_status lk_train_settings_default(const lk_engine* engine, lk_train_settings* settings);

/* A new session. `journal_folder` is made where it is missing; NULL: no journal, nothing survives
 * the process. LK_INVALID_ARGUMENT where the folder holds a session already: resume that one or
 * remove it. LK_BUSY where another session is using the folder. */
LK_API lk_status lk_session_create(const lk_engine* engine, const lk_train_settings* settings,
                                   const char* journal_folder, lk_session** session);

/* A session that was interrupted, from its last checkpoint. Its settings come from the journal.
 * LK_INVALID_ARGUMENT where there is none, or where it was interrupted before its photos were
 * encoded: create it again. */
LK_API lk_status lk_session_resume(const lk_engine* engine, const char* journal_folder,
                                   lk_session** session);

/* Interleaved rows, `bytes_per_pixel` 3 (RGB) or 4 (RGBA or RGBX; the fourth is ignored),
 * `row_stride` bytes from one row to the next. The centre square is used. LK_BAD_PHOTO where a
 * side is shorter than 32 pixels. */
LK_API lk_status lk_session_add_photo(lk_session* session, const uint8_t* pixels, int32_t width,
                                      int32_t height, size_t row_stride, int32_t bytes_per_pixel);

/* What a session will do and need. Memory is an estimate. */
typedef struct lk_plan {
  int64_t steps;
  int64_t steps_done;
  int64_t photos;
  int64_t views;
  int64_t instance_rows;          /* a step's rows that show the subject ... */
  int64_t prior_rows;             /* ... and those that show others of its class */
  uint64_t memory_bytes;          /* peak, with the engine's memory limit */
  uint64_t resident_memory_bytes; /* peak without a limit */
  uint64_t journal_bytes;         /* storage a whole session takes, both checkpoints */
  int32_t staged;                 /* 1: the limit makes programs load again at every step */
  char prior_class[64]; /* whose prior is used: the class, another, "*" all together, "" none */
} lk_plan;

LK_API lk_status lk_session_plan(lk_session* session, lk_plan* plan);

typedef enum lk_phase { LK_PHASE_ENCODING = 0, LK_PHASE_TRAINING = 1 } lk_phase;

typedef struct lk_progress {
  int32_t phase;  /* lk_phase */
  int64_t step;   /* views encoded and photos' places named, or steps taken */
  int64_t steps;  /* of so many */
  double loss;    /* of this step; 0 while encoding */
  double seconds; /* since this phase of the run began */
  double eta;     /* seconds that remain of the phase, estimated */
} lk_progress;

/* Any may be NULL. A return value other than 0 cancels, as lk_session_cancel() does. */
typedef struct lk_train_callbacks {
  void* user;
  int32_t (*progress)(void* user, const lk_progress* progress);
  /* A picture painted with what was learned so far: size x size x 3 bytes, valid for the call. */
  int32_t (*preview)(void* user, int64_t step, const uint8_t* pixels, int32_t size);
} lk_train_callbacks;

/* Encodes the photos, once, and trains; returns when the last step is done. `callbacks` may be
 * NULL. LK_CANCELLED: cancelled, after a checkpoint. LK_NOT_FINITE: training diverged; the last
 * checkpoint is kept. LK_DISK_FULL: the last checkpoint is whole. After any of them, and after
 * LK_OK, the session may be run again and goes on where it was. */
LK_API lk_status lk_session_run(lk_session* session, const lk_train_callbacks* callbacks);

/* Takes effect before the next step or stage; a checkpoint is written. A session that is cancelled
 * before it runs is cancelled at once when it does; one that is cancelled while it runs has nothing
 * of that left when it has ended, also where it ended otherwise. */
LK_API void lk_session_pause(lk_session* session);
LK_API void lk_session_unpause(lk_session* session);
LK_API void lk_session_cancel(lk_session* session);

/* What was learned so far, as an adapter file; replaced as a whole. */
LK_API lk_status lk_session_save_adapter(lk_session* session, const char* path);

/* LK_BUSY, and not closed, while it runs. The journal stays. */
LK_API lk_status lk_session_close(lk_session* session);

/* Generation ------------------------------------------------------------------------------------*/

typedef struct lk_sample_settings {
  const char* prompt;
  const char* negative_prompt; /* NULL: "" */
  const char* sampler;         /* dpmsolver++ or ddim */
  uint64_t seed;               /* picture i depends on the seed and on i alone */
  int64_t steps;
  int64_t count;         /* pictures */
  double guidance_scale; /* classifier-free guidance; 1: off, half the work */
} lk_sample_settings;

/* Fills in what the bundle recommends. Texts in it live as long as the engine. */
LK_API lk_status lk_sample_settings_default(const lk_engine* engine, lk_sample_settings* settings);

/* Bytes of count pictures; 0 where lk_generate() would refuse so many. */
LK_API size_t lk_generate_bytes(const lk_engine* engine, const lk_sample_settings* settings);

typedef struct lk_sample_callbacks {
  void* user;
  /* `done` of `total` calls of the model. A return value other than 0 cancels. */
  int32_t (*progress)(void* user, int64_t done, int64_t total);
} lk_sample_callbacks;

/* `adapter` NULL: the model as it is. `callbacks` may be NULL. Writes count x size x size x 3 bytes
 * to `pixels`, whose size is given to be checked. LK_INVALID_ARGUMENT where the prompt has more
 * tokens than the model reads. */
LK_API lk_status lk_generate(const lk_engine* engine, const lk_adapter* adapter,
                             const lk_sample_settings* settings,
                             const lk_sample_callbacks* callbacks, uint8_t* pixels,
                             size_t pixels_size);

/* Tools -----------------------------------------------------------------------------------------*/

/* The token ids of `text` without start, end and padding, `ids` taking the first `capacity` of
 * them; `count` is how many there are. `room` (may be NULL) is how many a prompt may have. */
LK_API lk_status lk_tokenize(const lk_engine* engine, const lk_adapter* adapter, const char* text,
                             int64_t* ids, size_t capacity, size_t* count, size_t* room);

/* A photo's centre square through the image encoder and decoder: what the model can show of it.
 * Writes size x size x 3 bytes. */
LK_API lk_status lk_encode_decode(const lk_engine* engine, const uint8_t* pixels, int32_t width,
                                  int32_t height, size_t row_stride, int32_t bytes_per_pixel,
                                  uint8_t* out, size_t out_size);

#ifdef __cplusplus
}
#endif

#endif /* LIKENESS_H_ */
