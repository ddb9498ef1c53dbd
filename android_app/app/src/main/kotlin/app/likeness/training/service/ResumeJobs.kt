package app.likeness.training.service

import android.app.job.JobInfo
import android.app.job.JobScheduler
import android.content.ComponentName
import android.content.Context

/**
 * The job that goes on with unfinished teaching where no service may: after the process was killed, in the background,
 * when the day's hours are used up. Planned as long as something is unfinished.
 */
internal object ResumeJobs {
    private const val ID = 1

    /** The shortest that Android allows. */
    private const val EVERY_MILLIS = 15 * 60_000L

    fun schedule(context: Context) {
        val scheduler = scheduler(context)
        // Planning it anew would put it off.
        if (scheduler.allPendingJobs.any { it.id == ID }) return
        val service = ComponentName(context, ResumeJobService::class.java)
        scheduler.schedule(JobInfo.Builder(ID, service).setPeriodic(EVERY_MILLIS).build())
    }

    fun cancel(context: Context) = scheduler(context).cancel(ID)

    private fun scheduler(context: Context) = context.getSystemService(Context.JOB_SCHEDULER_SERVICE) as JobScheduler
}
