package app.likeness.training.service

import android.app.Notification
import android.app.NotificationManager
import android.app.PendingIntent
import android.content.Context
import android.content.Intent
import app.likeness.MainActivity
import app.likeness.R
import app.likeness.navigation.Route
import app.likeness.platform.Bitmaps
import app.likeness.platform.NewerApis
import app.likeness.training.Cause
import app.likeness.training.Outcome
import app.likeness.training.Stage
import app.likeness.training.TrainingState
import app.likeness.views.duration
import app.likeness.views.text

/** What the service tells while it works, and what is left to tell when it ends. */
internal class TrainingNotification(private val context: Context) {
    private val manager = context.getSystemService(Context.NOTIFICATION_SERVICE) as NotificationManager

    init {
        val progress = context.getString(R.string.channel_progress)
        val results = context.getString(R.string.channel_results)
        NewerApis.createChannel(manager, PROGRESS, progress, NewerApis.IMPORTANCE_LOW)
        NewerApis.createChannel(manager, RESULTS, results, NewerApis.IMPORTANCE_DEFAULT)
    }

    /** [name] of the subject, null while none is known. */
    fun progress(state: TrainingState, name: String?): Notification {
        val title =
            if (name == null) {
                context.getString(R.string.notification_starting)
            } else {
                context.getString(R.string.notification_title, name)
            }
        val isUncertain = state.stage != Stage.ENCODING && state.stage != Stage.TRAINING
        val builder = NewerApis.notification(context, PROGRESS)
            .setSmallIcon(R.drawable.ic_notification)
            .setContentTitle(title)
            .setContentText(text(state))
            .setProgress(MOST, state.permille, isUncertain)
            .setOngoing(true)
            .setOnlyAlertOnce(true)
            .setContentIntent(open(state.subjectId?.let(Route::Training) ?: Route.Subjects))
        state.preview?.let { builder.setLargeIcon(Bitmaps.of(it)) }
        if (!isUncertain) builder.addAction(pauseAction(state))
        return builder.build()
    }

    fun show(state: TrainingState, name: String?) = manager.notify(ID, progress(state, name))

    fun show(outcome: Outcome) {
        val builder = NewerApis.notification(context, RESULTS)
            .setSmallIcon(R.drawable.ic_notification)
            .setContentTitle(title(outcome))
            .setContentText(text(outcome))
            .setAutoCancel(true)
            .setContentIntent(open(routeOf(outcome)))
        manager.notify(outcome.subjectId, RESULT_ID, builder.build())
    }

    private fun routeOf(outcome: Outcome) =
        if (outcome.stage == Stage.DONE) Route.Paint(outcome.subjectId) else Route.Training(outcome.subjectId)

    private fun title(outcome: Outcome): String = context.getString(
        when (outcome.stage) {
            Stage.DONE -> R.string.notification_done
            Stage.FAILED -> R.string.notification_failed
            else -> R.string.notification_waits
        },
        outcome.name,
    )

    private fun text(outcome: Outcome): String {
        val problem = outcome.problem
        return when {
            outcome.stage == Stage.DONE -> context.getString(R.string.notification_done_text)
            problem != null -> context.text(problem)
            else -> context.text(outcome.cause ?: Cause.SYSTEM)
        }
    }

    private fun text(state: TrainingState): String? {
        val cause = state.cause
        val left = state.secondsLeft
        return when {
            cause != null -> context.text(cause)

            left != null ->
                context.getString(R.string.training_steps_left, state.step, state.steps, context.duration(left))

            else -> null
        }
    }

    private fun pauseAction(state: TrainingState): Notification.Action {
        val isHeld = state.cause == Cause.PERSON
        val label = context.getString(if (isHeld) R.string.training_go_on else R.string.training_pause)
        val action = if (isHeld) TrainingService.ACTION_GO_ON else TrainingService.ACTION_PAUSE
        val intent = Intent(context, TrainingService::class.java).setAction(action)
        return Notification.Action.Builder(null, label, PendingIntent.getService(context, 0, intent, FLAGS)).build()
    }

    private fun open(route: Route): PendingIntent {
        // The code tells the intents apart: Android compares them without their extras.
        val intent = MainActivity.intent(context, route)
        return PendingIntent.getActivity(context, route.text.hashCode(), intent, FLAGS)
    }

    companion object {
        const val ID = 1
        private const val RESULT_ID = 2
        private const val MOST = 1000
        private const val PROGRESS = "progress"
        private const val RESULTS = "results"
        private const val FLAGS = PendingIntent.FLAG_IMMUTABLE or PendingIntent.FLAG_UPDATE_CURRENT
    }
}
