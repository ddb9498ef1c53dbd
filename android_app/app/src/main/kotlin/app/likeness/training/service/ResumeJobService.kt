package app.likeness.training.service

import android.app.job.JobParameters
import android.app.job.JobService
import app.likeness.graph
import app.likeness.platform.MainThread
import app.likeness.training.Cause
import app.likeness.training.Keeper
import app.likeness.training.TrainingWorker
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** Works for the minutes that Android gives a job, then stops after a checkpoint; the next job goes on. */
class ResumeJobService : JobService() {
    private val scope = CoroutineScope(MainThread + SupervisorJob())
    private val worker: TrainingWorker get() = graph.worker

    override fun onStartJob(parameters: JobParameters): Boolean {
        scope.launch {
            graph.loading.join()
            work()
            jobFinished(parameters, false)
        }
        return true
    }

    /** Android's time for the job is over. A service that has begun meanwhile keeps the worker going. */
    override fun onStopJob(parameters: JobParameters): Boolean {
        worker.detach(Keeper.JOB, Cause.SYSTEM)
        return false
    }

    override fun onDestroy() {
        worker.detach(Keeper.JOB, Cause.SYSTEM)
        scope.cancel()
        super.onDestroy()
    }

    private suspend fun work() {
        worker.attach(Keeper.JOB)
        worker.resumePending()
        val notification = TrainingNotification(this)
        val telling = scope.launch { worker.outcomes.collect { if (it.cause == null) notification.show(it) } }
        worker.working.first { working -> !working }
        telling.cancel()
        if (!withContext(graph.io) { worker.hasPending() }) ResumeJobs.cancel(this)
        worker.detach(Keeper.JOB, Cause.SYSTEM)
    }
}
