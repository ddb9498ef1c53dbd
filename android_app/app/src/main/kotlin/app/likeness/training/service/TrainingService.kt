package app.likeness.training.service

import android.app.Service
import android.content.Context
import android.content.Intent
import android.os.Build
import android.os.IBinder
import android.os.PowerManager
import app.likeness.graph
import app.likeness.platform.MainThread
import app.likeness.platform.NewerApis
import app.likeness.platform.TimeLimited
import app.likeness.training.Cause
import app.likeness.training.Keeper
import app.likeness.training.TrainingState
import app.likeness.training.TrainingWorker
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull

/**
 * Keeps the process alive and awake while the worker works, with a notification. It decides nothing.
 *
 * Where Android does not let it begin, in the background or after the day's six hours, a job goes on in its place and
 * the person's next visit brings it back.
 */
class TrainingService :
    Service(),
    TimeLimited {
    private val scope = CoroutineScope(MainThread + SupervisorJob())
    private val worker: TrainingWorker get() = graph.worker
    private val notification by lazy { TrainingNotification(this) }
    private val wakeLock by lazy {
        (getSystemService(POWER_SERVICE) as PowerManager)
            .newWakeLock(PowerManager.PARTIAL_WAKE_LOCK, "likeness:training")
            .apply { setReferenceCounted(false) }
    }
    private var isForeground = false
    private var lastStart = 0

    override fun onCreate() {
        super.onCreate()
        scope.launch {
            worker.state.collect { state ->
                show(state)
                // Android drops an app's quicker updates, and the one that says "paused" might be the last.
                delay(UPDATE_MILLIS)
            }
        }
        scope.launch { worker.outcomes.collect(notification::show) }
        scope.launch { worker.working.collect { working -> if (!working) finish() } }
    }

    override fun onBind(intent: Intent?): IBinder? = null

    override fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int {
        lastStart = startId
        if (!isForeground && !goForeground()) {
            ResumeJobs.schedule(this)
            stopSelf(startId)
            return START_NOT_STICKY
        }
        act(intent)
        if (!worker.working.value) end()
        return START_STICKY
    }

    override fun onTimeout(startId: Int, fgsType: Int) {
        worker.detach(Keeper.SERVICE, Cause.TIME_LIMIT)
        scope.launch {
            // For the checkpoint, and for the person to be told. Android waits a few seconds.
            withTimeoutOrNull(CHECKPOINT_MILLIS) { worker.working.first { working -> !working } }
            end()
        }
    }

    override fun onDestroy() {
        worker.detach(Keeper.SERVICE, Cause.SYSTEM)
        scope.cancel()
        wakeLock.release()
        super.onDestroy()
    }

    private fun act(intent: Intent?) {
        when (intent?.action) {
            ACTION_TEACH -> intent.getStringExtra(SUBJECT)?.let(worker::start)

            ACTION_PAUSE -> worker.pause()

            ACTION_GO_ON -> worker.state.value.subjectId?.let(worker::start)

            // Android began it again after it had killed the process, or the app was opened.
            else -> worker.resumePending()
        }
    }

    /** Returns false where Android does not allow it now. */
    private fun goForeground(): Boolean {
        val shown = notification.progress(worker.state.value, name())
        try {
            NewerApis.startForeground(this, TrainingNotification.ID, shown, type())
        } catch (_: IllegalStateException) {
            // ForegroundServiceStartNotAllowedException, which the stubs do not have.
            return false
        }
        isForeground = true
        worker.attach(Keeper.SERVICE)
        ResumeJobs.schedule(this)
        return true
    }

    private fun show(state: TrainingState) {
        if (isForeground && state.isActive) notification.show(state, name())
        if (state.isActive && !state.waiting) wakeLock.acquire(LONGEST_STEP_MILLIS) else wakeLock.release()
    }

    private suspend fun finish() {
        if (!withContext(graph.io) { worker.hasPending() }) ResumeJobs.cancel(this)
        if (isForeground && !worker.working.value) end()
    }

    /** A start that is on its way already keeps the service, and makes it a foreground one again. */
    private fun end() {
        isForeground = false
        stopForeground(true)
        stopSelf(lastStart)
    }

    private fun name(): String? = worker.state.value.subjectId?.let(graph.subjects::find)?.name

    private fun type() = when {
        Build.VERSION.SDK_INT >= NewerApis.VANILLA_ICE_CREAM -> NewerApis.TYPE_MEDIA_PROCESSING
        else -> NewerApis.TYPE_DATA_SYNC
    }

    companion object {
        internal const val ACTION_PAUSE = "app.likeness.PAUSE"
        internal const val ACTION_GO_ON = "app.likeness.GO_ON"
        private const val ACTION_TEACH = "app.likeness.TEACH"
        private const val SUBJECT = "subject"

        private const val CHECKPOINT_MILLIS = 2_000L
        private const val UPDATE_MILLIS = 500L

        /** The lock is taken anew at every report of the worker; if none comes for so long, the phone may sleep. */
        private const val LONGEST_STEP_MILLIS = 10 * 60_000L

        /** Teaches [subjectId], which a person just asked for. */
        fun teach(context: Context, subjectId: String) = begin(
            context,
            Intent(context, TrainingService::class.java).setAction(ACTION_TEACH).putExtra(SUBJECT, subjectId),
        )

        /** Goes on with what waits. Call it while a person looks at the app. */
        suspend fun resumeIfPending(context: Context) {
            val graph = context.graph
            val pending = withContext(graph.io) { graph.worker.hasPending() }
            if (pending) begin(context, Intent(context, TrainingService::class.java))
        }

        private fun begin(context: Context, intent: Intent) = try {
            NewerApis.startForegroundService(context, intent)
        } catch (_: IllegalStateException) {
            // The person has just left: the job takes over.
            ResumeJobs.schedule(context)
        }
    }
}
